DELETE FROM router.charge AS c
USING unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
WHERE (c.task_id, c.generation) = (k.task_id, k.generation)
