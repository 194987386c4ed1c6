DELETE FROM verification.mark AS m
WHERE m.task_id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM verification.record r WHERE r.task_id = m.task_id)
