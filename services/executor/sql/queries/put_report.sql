INSERT OR REPLACE INTO report (number, task_id, generation, kind, flags, phase, reason, message, result)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
