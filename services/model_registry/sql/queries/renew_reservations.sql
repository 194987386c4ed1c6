UPDATE model_registry.reservation AS r
SET expire_time = greatest(r.expire_time, $4)
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k (endpoint_id, task_id, generation)
WHERE (r.endpoint_id, r.task_id, r.generation) = (k.endpoint_id, k.task_id, k.generation) AND r.expire_time > $5
RETURNING r.endpoint_id, r.task_id, r.generation
