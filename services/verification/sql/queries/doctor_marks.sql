SELECT 'task ' || m.task_id || ' has outcomes and no verification'
FROM verification.mark m
WHERE NOT EXISTS (SELECT FROM verification.record r WHERE r.task_id = m.task_id)
LIMIT 100
