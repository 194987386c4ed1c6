UPDATE verification.record SET judge_task = $3
WHERE (task_id, generation) = ($1, $2) AND state = 1 AND judge_task IS NULL
