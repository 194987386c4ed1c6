UPDATE task_queue.session SET expire_time = NULL WHERE agent = $1::text AND epoch = $2::bigint
