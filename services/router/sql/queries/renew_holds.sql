UPDATE router.hold AS h
SET expire_time = greatest(h.expire_time, $3)
FROM unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
WHERE (h.task_id, h.generation) = (k.task_id, k.generation) AND h.confirmed
RETURNING h.task_id, h.generation, h.decision_id, h.decision_time, h.endpoint_id, h.model, h.micros, h.routing, h.confirmed,
          h.expire_time, h.agent
