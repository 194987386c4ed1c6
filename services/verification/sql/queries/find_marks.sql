SELECT task_id, kind, source, note, time FROM verification.mark
WHERE task_id = ANY ($1::uuid[])
ORDER BY task_id, time DESC, source DESC, kind DESC
