SELECT number, task_id, generation, kind, flags, phase, reason, message, result FROM report ORDER BY number
