INSERT INTO model_registry.reservation (endpoint_id, task_id, generation, model, urgent, create_time, expire_time)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::boolean[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (endpoint_id, task_id, generation) DO UPDATE
SET model = excluded.model, urgent = excluded.urgent, create_time = excluded.create_time,
    expire_time = excluded.expire_time
