-- The newest decision of each, where it ended by itself.
SELECT d.task_id, d.generation, d.decision_id, d.create_time, d.routing, d.model
FROM unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
CROSS JOIN LATERAL (
  SELECT * FROM router.decision o
  WHERE (o.task_id, o.generation) = (k.task_id, k.generation) AND o.create_time >= $3
  ORDER BY o.create_time DESC LIMIT 1
) AS d
WHERE d.state = 4
