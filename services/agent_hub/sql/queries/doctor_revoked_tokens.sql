SELECT 'agent ' || name || ' is revoked and has a token until ' || token_expire_time
FROM agent_hub.agent
WHERE revoked AND token_expire_time IS NOT NULL
LIMIT 100
