-- Before a day of specifications goes: what is still queued, running, judged or in the dead letter keeps its own, and so
-- does what finished after the cut.
WITH kept AS (
  SELECT r.id FROM task_queue.ready r WHERE r.id >= task_queue.lowest_id($1::date) AND r.id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.held WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.running WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.judging WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.dead WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1)
  UNION ALL SELECT id FROM task_queue.outcome
    WHERE id >= task_queue.lowest_id($1::date) AND id < task_queue.lowest_id($1::date + 1) AND finish_time >= $2::timestamptz
)
INSERT INTO task_queue.task_pinned
SELECT t.* FROM task_queue.task t JOIN kept ON kept.id = t.id
WHERE t.id >= task_queue.lowest_id($1::date) AND t.id < task_queue.lowest_id($1::date + 1)
ON CONFLICT (id) DO NOTHING
