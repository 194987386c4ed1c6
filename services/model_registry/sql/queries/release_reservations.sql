DELETE FROM model_registry.reservation AS r
USING unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k (endpoint_id, task_id, generation)
WHERE (r.endpoint_id, r.task_id, r.generation) = (k.endpoint_id, k.task_id, k.generation)
