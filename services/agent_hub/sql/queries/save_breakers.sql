UPDATE agent_hub.agent AS a
SET failures_in_row = b.failures, last_failure = b.last_failure, breaker_open_time = b.open_time,
    breaker_open_until = b.open_until
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::timestamptz[])
       AS b (agent_id, failures, last_failure, open_time, open_until)
WHERE a.agent_id = b.agent_id AND a.remove_time IS NULL
