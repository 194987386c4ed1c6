INSERT INTO task_queue.session (agent, epoch, hub, expire_time) VALUES ($1::text, 1, $2::text, $3::timestamptz)
ON CONFLICT (agent) DO UPDATE
SET epoch = task_queue.session.epoch + 1, hub = EXCLUDED.hub, expire_time = EXCLUDED.expire_time
RETURNING epoch
