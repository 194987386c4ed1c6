SELECT kind, key, reason, principal, create_time FROM task_queue.pause ORDER BY kind, key
