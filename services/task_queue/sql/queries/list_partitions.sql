-- Daily partitions of one parent that lie wholly before a day, oldest first; also those that an interrupted run left
-- detached.
SELECT c.relname::text, right(c.relname, 8), EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'task_queue' AND c.relkind = 'r' AND c.relname ~ ('^' || $1::text || '_p[0-9]{8}$')
  AND right(c.relname, 8) < to_char($2::date, 'YYYYMMDD')
ORDER BY c.relname
