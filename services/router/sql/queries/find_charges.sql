SELECT c.task_id, c.generation, c.budget_id, c.period_start
FROM unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
JOIN router.charge c ON (c.task_id, c.generation) = (k.task_id, k.generation)
