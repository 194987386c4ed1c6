UPDATE router.hold AS h
SET confirmed = true, expire_time = $4
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS k (task_id, generation, decision_id)
WHERE (h.task_id, h.generation, h.decision_id) = (k.task_id, k.generation, k.decision_id)
RETURNING h.task_id, h.generation
