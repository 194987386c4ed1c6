INSERT OR REPLACE INTO report (number, task_id, generation, kind, flags, phase, reason, message, result, route_report,
                               retry_after_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
