SELECT r.id::text || ' belongs to ' || r.agent || ', which has no session'
FROM task_queue.running r
WHERE NOT EXISTS (SELECT FROM task_queue.session s WHERE s.agent = r.agent AND s.expire_time IS NOT NULL)
LIMIT 100
