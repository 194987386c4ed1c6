SELECT key, content, task FROM task_queue.request_key WHERE slot IN (0, 1) AND key = ANY ($1::bytea[])
