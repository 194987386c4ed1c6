SELECT endpoint_id, task_id, generation, model, urgent, create_time, expire_time
FROM model_registry.reservation
WHERE endpoint_id = ANY ($1::uuid[]) AND expire_time > $2
ORDER BY create_time, task_id, generation
