SELECT since <= $1::timestamptz FROM task_queue.request_slot
