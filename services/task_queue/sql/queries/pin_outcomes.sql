INSERT INTO task_queue.outcome_pinned
SELECT o.* FROM unnest($1::uuid[]) AS u(id) JOIN task_queue.outcome o ON o.id = u.id
WHERE o.id >= task_queue.lowest_id($2::date) AND o.id < task_queue.lowest_id($2::date + 1)
ON CONFLICT (id) DO NOTHING
