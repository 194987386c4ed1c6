-- Claims request ids that neither slot knows. Returns the keys claimed; the others are looked up by find_requests.
WITH slot AS MATERIALIZED (SELECT current FROM task_queue.request_slot),
asked AS MATERIALIZED (
  SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::uuid[]) AS u(key, content, task)
)
INSERT INTO task_queue.request_key (slot, key, content, task)
SELECT slot.current, a.key, a.content, a.task
FROM asked a, slot
WHERE NOT EXISTS (
  SELECT FROM task_queue.request_key r WHERE r.slot = (1 - slot.current)::smallint AND r.key = a.key)
ORDER BY a.key
ON CONFLICT DO NOTHING
RETURNING key
