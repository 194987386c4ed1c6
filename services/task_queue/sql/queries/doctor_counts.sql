-- Counts follow the rows; while work goes on, both are read in one snapshot.
SELECT 'stage ' || c.stage || ' counts ' || c.counted || ' tasks and holds ' || h.held FROM (
  SELECT stage, sum(delta) AS counted FROM task_queue.stage_delta WHERE stage < 5 GROUP BY stage
) AS c JOIN (
  SELECT 0 AS stage, count(*) AS held FROM task_queue.ready
  UNION ALL SELECT 1, count(*) FROM task_queue.held
  UNION ALL SELECT 2, count(*) FROM task_queue.running
  UNION ALL SELECT 3, count(*) FROM task_queue.judging
  UNION ALL SELECT 4, count(*) FROM task_queue.dead
) AS h ON h.stage = c.stage
WHERE c.counted <> h.held
