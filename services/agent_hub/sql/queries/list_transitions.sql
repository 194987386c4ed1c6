SELECT time, from_state, to_state, cause, hub
FROM agent_hub.transition
WHERE agent_id = $1
ORDER BY time DESC, seq DESC
LIMIT $2
