SELECT 'reservation of task ' || task_id || ' generation ' || generation || ' ends before it was made'
FROM model_registry.reservation
WHERE expire_time < create_time
LIMIT 100
