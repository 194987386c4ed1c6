UPDATE task_queue.session SET epoch = epoch + 1
WHERE agent = $1::text AND epoch = $2::bigint AND expire_time IS NOT NULL
