-- The row of each id wherever it stands. At most one stage has it.
SELECT u.ord, s.carry
FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord)
CROSS JOIN LATERAL (
  SELECT carry FROM task_queue.ready r
  WHERE r.shard = (get_byte(uuid_send(u.id), 15) % 16)::smallint
    AND r.rank = ANY ('{2,3,4,5,6,7,8,9}'::smallint[]) AND r.id = u.id
  UNION ALL SELECT carry FROM task_queue.held r WHERE r.id = u.id
  UNION ALL SELECT carry FROM task_queue.running r WHERE r.id = u.id
  UNION ALL SELECT carry FROM task_queue.judging r WHERE r.id = u.id
  UNION ALL SELECT carry FROM task_queue.dead r WHERE r.id = u.id
  UNION ALL SELECT carry FROM task_queue.outcome r WHERE r.id = u.id
  UNION ALL SELECT carry FROM task_queue.outcome_pinned r WHERE r.id = u.id
) AS s
