-- Counts follow the rows, also where there is no count at all; while work goes on, both are read in one snapshot.
SELECT 'stage ' || h.stage || ' counts ' || coalesce(c.counted, 0) || ' tasks and holds ' || h.held FROM (
  SELECT 0 AS stage, count(*) AS held FROM task_queue.ready
  UNION ALL SELECT 1, count(*) FROM task_queue.held
  UNION ALL SELECT 2, count(*) FROM task_queue.running
  UNION ALL SELECT 3, count(*) FROM task_queue.judging
  UNION ALL SELECT 4, count(*) FROM task_queue.dead
) AS h LEFT JOIN (
  SELECT stage, sum(delta) AS counted FROM task_queue.stage_delta GROUP BY stage
) AS c ON c.stage = h.stage
WHERE coalesce(c.counted, 0) <> h.held
