SELECT d.task, d.awaited FROM task_queue.dependency d WHERE (d.task, d.awaited) > ($1::uuid, $2::uuid)
ORDER BY d.task, d.awaited LIMIT $3::bigint
