-- Before a day of specifications goes: ids of what is still queued, running, judged or in the dead letter, and of what
-- finished after the cut, as far as they are not pinned yet. Only reads: a long writer would keep events from watchers.
SELECT k.id FROM (
  SELECT r.id FROM generate_series(0, 15) s CROSS JOIN generate_series(2, 9) n CROSS JOIN LATERAL (
    SELECT id FROM task_queue.ready r WHERE r.shard = s AND r.rank = n
      AND r.id >= task_queue.lowest_id($1::date) AND r.id < task_queue.lowest_id($1::date + 1)) r
  UNION ALL SELECT id FROM task_queue.held WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.running WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.judging WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.dead WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.outcome
    WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1) AND finish_time >= $2::timestamptz
) AS k
WHERE NOT EXISTS (SELECT FROM task_queue.task_pinned p WHERE p.id = k.id)
LIMIT $3::bigint
