INSERT INTO task_queue.session AS s (agent, epoch, hub, expire_time, connection)
VALUES ($1::text, 1, $2::text, $3::timestamptz, $4::bigint)
ON CONFLICT (agent) DO UPDATE
SET epoch = s.epoch + 1, hub = EXCLUDED.hub, expire_time = EXCLUDED.expire_time,
  connection = GREATEST(s.connection, EXCLUDED.connection)
WHERE EXCLUDED.connection = 0 OR EXCLUDED.connection >= s.connection
RETURNING epoch
