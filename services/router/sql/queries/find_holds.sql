SELECT h.task_id, h.generation, h.decision_id, h.decision_time, h.endpoint_id, h.model, h.micros, h.routing, h.confirmed,
       h.expire_time, h.agent
FROM unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
JOIN router.hold h ON (h.task_id, h.generation) = (k.task_id, k.generation)
ORDER BY h.task_id, h.generation
