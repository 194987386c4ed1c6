SELECT s.id::text || ' has been due since ' || s.due::text || ' in stage ' || s.stage FROM (
  SELECT id, due, 'ready' AS stage FROM task_queue.ready
  UNION ALL SELECT id, due, 'held' FROM task_queue.held
  UNION ALL SELECT id, due, 'running' FROM task_queue.running
  UNION ALL SELECT id, due, 'judging' FROM task_queue.judging
) AS s
WHERE s.due < clock_timestamp() - interval '10 minutes'
ORDER BY s.due LIMIT 100
