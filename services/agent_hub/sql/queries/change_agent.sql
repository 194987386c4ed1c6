UPDATE agent_hub.agent
SET labels = $2, touch_time = $3, probe_state = $4, probe_message = $5, probe_time = $6, failures_in_row = $7,
    last_failure = $8, breaker_open_time = $9, breaker_open_until = $10, violations = $11, last_violation = $12,
    last_violation_time = $13, penalty_until = $14, drain_reason = $15, drain_by = $16, drain_time = $17,
    quarantine_reason = $18, quarantine_by = $19, quarantine_time = $20, token_expire_time = $21, revoked = $22,
    remove_time = $23
WHERE agent_id = $1
