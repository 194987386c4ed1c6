INSERT INTO task_queue.task_pinned
SELECT t.* FROM unnest($1::uuid[]) AS u(id) JOIN task_queue.task t ON t.id = u.id
WHERE t.id >= task_queue.lowest_id($2::date) AND t.id < task_queue.lowest_id($2::date + 1)
ON CONFLICT (id) DO NOTHING
