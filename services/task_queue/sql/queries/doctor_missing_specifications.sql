SELECT s.id::text || ' is ' || s.stage || ' and has no specification' FROM (
  SELECT id, 'ready' AS stage FROM task_queue.ready
  UNION ALL SELECT id, 'held' FROM task_queue.held
  UNION ALL SELECT id, 'running' FROM task_queue.running
  UNION ALL SELECT id, 'judging' FROM task_queue.judging
  UNION ALL SELECT id, 'dead' FROM task_queue.dead
  UNION ALL SELECT id, 'pinned' FROM task_queue.outcome_pinned
) AS s
WHERE NOT EXISTS (SELECT FROM task_queue.task t WHERE t.id = s.id)
  AND NOT EXISTS (SELECT FROM task_queue.task_pinned t WHERE t.id = s.id)
LIMIT 100
