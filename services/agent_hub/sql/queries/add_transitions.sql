INSERT INTO agent_hub.transition (agent_id, time, from_state, to_state, cause, hub)
SELECT *
FROM unnest($1::uuid[], $2::timestamptz[], $3::smallint[], $4::smallint[], $5::text[], $6::text[])
ON CONFLICT DO NOTHING
