SELECT 'the verdict on task ' || task_id || ' generation ' || generation || ' was decided an hour ago and never told'
FROM verification.record
WHERE state = 2 AND decide_time < clock_timestamp() - interval '1 hour'
LIMIT 100
