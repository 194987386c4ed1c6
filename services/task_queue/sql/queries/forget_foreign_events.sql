-- After a restore elsewhere: transaction ids of another cluster would stall or reorder the log.
DELETE FROM task_queue.event_log
