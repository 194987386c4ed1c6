SELECT endpoint_id, task_id, generation, model, urgent, create_time, expire_time
FROM model_registry.reservation
WHERE expire_time > $1
ORDER BY create_time, endpoint_id, task_id, generation
