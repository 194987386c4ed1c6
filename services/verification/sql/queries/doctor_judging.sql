SELECT 'task ' || task_id || ' generation ' || generation || ' waits for a judge an hour after its time'
FROM verification.record
WHERE state = 1 AND judge_due < clock_timestamp() - interval '1 hour'
LIMIT 100
