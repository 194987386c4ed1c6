UPDATE agent_hub.agent AS a
SET violations = p.violations, last_violation = p.last_violation, last_violation_time = p.last_time,
    penalty_until = p.until
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::timestamptz[])
       AS p (agent_id, violations, last_violation, last_time, until)
WHERE a.agent_id = p.agent_id AND a.remove_time IS NULL
