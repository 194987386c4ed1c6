DELETE FROM task_queue.dependency d USING unnest($1::uuid[], $2::uuid[]) AS u(task, awaited)
WHERE d.task = u.task AND d.awaited = u.awaited
