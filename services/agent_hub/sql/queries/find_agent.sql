SELECT agent_id, name, labels, enroll_time, state, state_time, state_cause, hub, peer, session_epoch, last_connect_time,
       last_heartbeat_time, held_tasks, unavailable_reason, capabilities, said, probe_state, probe_message, probe_time,
       failures_in_row, last_failure, breaker_open_time, breaker_open_until, violations, last_violation,
       last_violation_time, penalty_until, drain_reason, drain_by, drain_time, quarantine_reason, quarantine_by,
       quarantine_time, token_expire_time, revoked, remove_time
FROM agent_hub.agent
WHERE agent_id = $1
