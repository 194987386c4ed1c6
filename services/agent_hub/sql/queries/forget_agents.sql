DELETE FROM agent_hub.agent
WHERE remove_time < $1
