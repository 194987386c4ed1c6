-- Pinned rows whose end has outlived the retention too.
WITH gone AS (DELETE FROM task_queue.outcome_pinned WHERE finish_time < $1::timestamptz RETURNING id)
DELETE FROM task_queue.task_pinned t USING gone WHERE t.id = gone.id
