SELECT id::text || ' stands in more than one stage: ' || string_agg(stage, ', ') FROM (
  SELECT id, 'ready' AS stage FROM task_queue.ready
  UNION ALL SELECT id, 'held' FROM task_queue.held
  UNION ALL SELECT id, 'running' FROM task_queue.running
  UNION ALL SELECT id, 'judging' FROM task_queue.judging
  UNION ALL SELECT id, 'dead' FROM task_queue.dead
  UNION ALL SELECT o.id, 'outcome' FROM task_queue.outcome o WHERE EXISTS (
    SELECT FROM task_queue.held h WHERE h.id = o.id
    UNION ALL SELECT FROM task_queue.running h WHERE h.id = o.id
    UNION ALL SELECT FROM task_queue.judging h WHERE h.id = o.id
    UNION ALL SELECT FROM task_queue.dead h WHERE h.id = o.id)
) AS rows GROUP BY id HAVING count(*) > 1 LIMIT 100
