DELETE FROM verification.record
WHERE (task_id, generation) IN (
  SELECT task_id, generation FROM verification.record
  WHERE create_time < $1 AND state IN (3, 4)
  ORDER BY create_time, task_id, generation
  LIMIT $2
)
RETURNING task_id
