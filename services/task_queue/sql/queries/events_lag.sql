-- How old the oldest committed batch is that readers may not see yet.
SELECT min(create_time) FROM task_queue.event_log WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())
