SELECT t.id::text || ' has a specification and stands in no stage'
FROM (SELECT id FROM task_queue.task UNION ALL SELECT id FROM task_queue.task_pinned) AS t
WHERE NOT EXISTS (SELECT FROM task_queue.outcome o WHERE o.id = t.id)
  AND NOT EXISTS (SELECT FROM task_queue.outcome_pinned o WHERE o.id = t.id)
  AND NOT EXISTS (SELECT FROM task_queue.held h WHERE h.id = t.id)
  AND NOT EXISTS (SELECT FROM task_queue.running h WHERE h.id = t.id)
  AND NOT EXISTS (SELECT FROM task_queue.judging h WHERE h.id = t.id)
  AND NOT EXISTS (SELECT FROM task_queue.dead h WHERE h.id = t.id)
  AND NOT EXISTS (SELECT FROM task_queue.ready r WHERE r.id = t.id)
LIMIT 100
