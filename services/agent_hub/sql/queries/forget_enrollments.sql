DELETE FROM agent_hub.enrollment
WHERE expire_time < $1
