UPDATE verification.record SET watched = false WHERE task_id = $1 AND watched
