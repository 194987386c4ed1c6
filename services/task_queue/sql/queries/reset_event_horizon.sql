-- The horizon of the former life may lie above every position that the new one will give out for years.
UPDATE task_queue.event_horizon SET xid = '0', seq = 0
