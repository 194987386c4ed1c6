WITH gone AS (DELETE FROM task_queue.stage_delta RETURNING lane, stage, delta)
INSERT INTO task_queue.stage_delta (lane, stage, delta) SELECT lane, stage, sum(delta) FROM gone GROUP BY lane, stage
