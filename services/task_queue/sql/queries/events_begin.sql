SELECT xid::text, seq FROM task_queue.event_horizon
