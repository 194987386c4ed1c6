SELECT agent, epoch, hub, expire_time FROM task_queue.session
WHERE expire_time <= $1::timestamptz ORDER BY expire_time LIMIT $2::bigint
