-- How tasks stand: the state of what is final, 7 (DEAD_LETTER) of what was given up, 1 (QUEUED) of what is live. No rows
-- are read but those of the indexes and, of what ended, one.
SELECT u.ord, coalesce(
  (SELECT 1 FROM task_queue.held r WHERE r.id = u.id),
  (SELECT 1 FROM task_queue.running r WHERE r.id = u.id),
  (SELECT 1 FROM task_queue.judging r WHERE r.id = u.id),
  (SELECT 1 FROM task_queue.ready r
   WHERE r.shard = (get_byte(uuid_send(u.id), 15) % 16)::smallint
     AND r.rank = ANY ('{2,3,4,5,6,7,8,9}'::smallint[]) AND r.id = u.id),
  (SELECT 7 FROM task_queue.dead r WHERE r.id = u.id),
  (SELECT r.state::int FROM task_queue.outcome r WHERE r.id = u.id),
  (SELECT r.state::int FROM task_queue.outcome_pinned r WHERE r.id = u.id))
FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord)
