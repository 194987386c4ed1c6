SELECT lane, stage, sum(delta)::bigint FROM task_queue.stage_delta GROUP BY lane, stage
