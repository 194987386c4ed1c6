DELETE FROM router.hold AS h
USING unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
WHERE (h.task_id, h.generation) = (k.task_id, k.generation)
