SELECT j.id, j.generation FROM task_queue.judging j WHERE j.id > $1::uuid ORDER BY j.id LIMIT $2::bigint
