INSERT INTO task_queue.outcome_pinned
SELECT * FROM task_queue.outcome
WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1) AND finish_time >= $2::timestamptz
ON CONFLICT (id) DO NOTHING
