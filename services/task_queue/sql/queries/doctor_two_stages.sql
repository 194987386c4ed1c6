-- Driven by the live rows, which are few beside the finished ones.
WITH live AS MATERIALIZED (
  SELECT id, 'ready' AS stage FROM task_queue.ready
  UNION ALL SELECT id, 'held' FROM task_queue.held
  UNION ALL SELECT id, 'running' FROM task_queue.running
  UNION ALL SELECT id, 'judging' FROM task_queue.judging
  UNION ALL SELECT id, 'dead' FROM task_queue.dead
)
SELECT id::text || ' stands in more than one stage: ' || string_agg(stage, ', ' ORDER BY stage) FROM (
  SELECT id, stage FROM live
  UNION ALL SELECT id, 'outcome' FROM (
    SELECT DISTINCT l.id FROM live l
    WHERE EXISTS (SELECT FROM task_queue.outcome o WHERE o.id = l.id)
      OR EXISTS (SELECT FROM task_queue.outcome_pinned o WHERE o.id = l.id)) AS finished
) AS rows GROUP BY id HAVING count(*) > 1 LIMIT 100
