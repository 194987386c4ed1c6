SELECT number, task_id, generation, kind, flags, phase, reason, message, result, route_report, retry_after_ms
FROM report ORDER BY number
