-- Pinned rows whose end has outlived the retention too, some at a time.
WITH gone AS (
  DELETE FROM task_queue.outcome_pinned
  WHERE id IN (SELECT id FROM task_queue.outcome_pinned WHERE finish_time < $1::timestamptz LIMIT $2::bigint)
  RETURNING id
), specifications AS (
  DELETE FROM task_queue.task_pinned t USING gone WHERE t.id = gone.id
)
SELECT count(*) FROM gone
