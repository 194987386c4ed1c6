UPDATE agent_hub.agent AS a
SET probe_state = p.state, probe_message = p.message, probe_time = p.time
FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::timestamptz[]) AS p (agent_id, state, message, time)
WHERE a.agent_id = p.agent_id AND a.remove_time IS NULL
