-- The dead letter has no times: what was written before the last event of ten minutes ago was written then.
SELECT d.task::text || ' waits for ' || d.awaited::text || ', which ended at ' || o.finish_time::text
FROM task_queue.dependency d
CROSS JOIN LATERAL (
  SELECT finish_time FROM task_queue.outcome r WHERE r.id = d.awaited
  UNION ALL SELECT finish_time FROM task_queue.outcome_pinned r WHERE r.id = d.awaited
) AS o
WHERE o.finish_time < clock_timestamp() - interval '10 minutes'
UNION ALL
SELECT d.task::text || ' waits for ' || d.awaited::text || ', which is in the dead letter'
FROM task_queue.dependency d
JOIN task_queue.dead r ON r.id = d.awaited
WHERE age(r.xmin) >= (
  SELECT age(e.xid::xid) FROM task_queue.event_log e
  WHERE e.create_time < clock_timestamp() - interval '10 minutes'
  ORDER BY e.xid DESC LIMIT 1)
LIMIT 100
