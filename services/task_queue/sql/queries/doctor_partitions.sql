-- A schema without any partition has not been served yet: whoever serves it first makes them.
SELECT p.parent || ' has no partition for ' || to_char(d.day, 'YYYY-MM-DD')
FROM (VALUES ('task'), ('outcome'), ('event_log')) AS p(parent)
CROSS JOIN (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date + n AS day FROM generate_series(0, 1) AS n) AS d
WHERE NOT EXISTS (
  SELECT FROM pg_inherits i WHERE i.inhrelid = to_regclass('task_queue.' || p.parent || '_p' || to_char(d.day, 'YYYYMMDD')))
  AND EXISTS (SELECT FROM pg_inherits WHERE inhparent IN (
    'task_queue.task'::regclass, 'task_queue.outcome'::regclass, 'task_queue.event_log'::regclass))
