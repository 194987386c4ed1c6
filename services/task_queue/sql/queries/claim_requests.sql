-- Claims request ids that neither slot knows; the others are looked up by find_requests.
-- OFFSET 0 keeps the look into the other slot one probe a key: as a join it would read the whole slot.
INSERT INTO task_queue.request_key (slot, key, content, task)
SELECT (SELECT current FROM task_queue.request_slot), a.key, a.content, a.task
FROM unnest($1::bytea[], $2::bytea[], $3::uuid[]) AS a(key, content, task)
WHERE NOT EXISTS (
  SELECT FROM task_queue.request_key r
  WHERE r.slot = (SELECT (1 - current)::smallint FROM task_queue.request_slot) AND r.key = a.key OFFSET 0)
ORDER BY a.key
ON CONFLICT DO NOTHING
