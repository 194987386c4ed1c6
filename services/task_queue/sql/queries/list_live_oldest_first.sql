-- The same for one or more live stages only, so that a few running tasks are found among millions of finished ones.
WITH stage_ids AS (
  (SELECT r.id FROM generate_series(0, 15) s CROSS JOIN generate_series(2, 9) k CROSS JOIN LATERAL (
     SELECT id FROM task_queue.ready r
     WHERE $5::boolean AND r.shard = s AND r.rank = k AND id > $1::uuid AND id >= $2::uuid AND id < $3::uuid
     ORDER BY id ASC LIMIT $4::bigint) r)
  UNION ALL (SELECT id FROM task_queue.held WHERE $6::boolean AND id > $1::uuid AND id >= $2::uuid AND id < $3::uuid
             ORDER BY id ASC LIMIT $4::bigint)
  UNION ALL (SELECT id FROM task_queue.running WHERE $7::boolean AND id > $1::uuid AND id >= $2::uuid AND id < $3::uuid
             ORDER BY id ASC LIMIT $4::bigint)
  UNION ALL (SELECT id FROM task_queue.judging WHERE $8::boolean AND id > $1::uuid AND id >= $2::uuid AND id < $3::uuid
             ORDER BY id ASC LIMIT $4::bigint)
  UNION ALL (SELECT id FROM task_queue.dead WHERE $9::boolean AND id > $1::uuid AND id >= $2::uuid AND id < $3::uuid
             ORDER BY id ASC LIMIT $4::bigint)
), page AS (SELECT id FROM stage_ids ORDER BY id ASC LIMIT $4::bigint)
SELECT t.id, t.lane, t.project, t.task_type, t.principal, t.title
FROM page CROSS JOIN LATERAL (
  SELECT id, lane, project, task_type, principal, title FROM task_queue.task t WHERE t.id = page.id
  UNION ALL SELECT id, lane, project, task_type, principal, title FROM task_queue.task_pinned t WHERE t.id = page.id
) t
ORDER BY t.id ASC
