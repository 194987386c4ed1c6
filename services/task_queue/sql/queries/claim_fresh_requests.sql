-- Claims request ids that are expected to be new, which costs half of claim_requests: one that the current slot has fails
-- the statement, one that the other slot has is left out.
INSERT INTO task_queue.request_key (slot, key, content, task)
SELECT (SELECT current FROM task_queue.request_slot), a.key, a.content, a.task
FROM unnest($1::bytea[], $2::bytea[], $3::uuid[]) AS a(key, content, task)
WHERE NOT EXISTS (
  SELECT FROM task_queue.request_key r
  WHERE r.slot = (SELECT (1 - current)::smallint FROM task_queue.request_slot) AND r.key = a.key OFFSET 0)
