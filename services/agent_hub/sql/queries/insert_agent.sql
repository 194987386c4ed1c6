INSERT INTO agent_hub.agent (agent_id, name, labels, enroll_time, touch_time, state, state_time, state_cause)
VALUES ($1, $2, $3, $4, $4, $5, $6, $7)
