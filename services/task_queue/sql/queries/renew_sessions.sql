UPDATE task_queue.session s SET expire_time = $3::timestamptz
FROM unnest($1::text[], $2::bigint[]) AS u(agent, epoch)
WHERE s.agent = u.agent AND s.epoch = u.epoch AND s.expire_time IS NOT NULL
RETURNING s.agent
