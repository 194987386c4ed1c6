-- In a new life of the database, transaction ids of the former one would stall or reorder the log.
TRUNCATE task_queue.event_log
