INSERT INTO task_queue.pause (kind, key, reason, principal, create_time)
VALUES ($1::smallint, $2::text, $3::text, $4::text, $5::timestamptz)
ON CONFLICT (kind, key) DO NOTHING
