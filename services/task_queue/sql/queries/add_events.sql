INSERT INTO task_queue.event_log (xid, create_time, payload) VALUES (pg_current_xact_id(), $1::timestamptz, $2::bytea)
