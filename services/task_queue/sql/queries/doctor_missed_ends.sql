SELECT d.task::text || ' waits for ' || d.awaited::text || ', which ended at ' || o.finish_time::text
FROM task_queue.dependency d
CROSS JOIN LATERAL (
  SELECT finish_time FROM task_queue.outcome r WHERE r.id = d.awaited
  UNION ALL SELECT finish_time FROM task_queue.outcome_pinned r WHERE r.id = d.awaited
) AS o
WHERE o.finish_time < clock_timestamp() - interval '10 minutes'
LIMIT 100
