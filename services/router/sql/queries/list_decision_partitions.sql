-- Daily partitions that lie wholly before a day, oldest first; also those that an interrupted run left detached.
SELECT c.relname::text, EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'router' AND c.relkind = 'r' AND c.relname ~ '^decision_p[0-9]{8}$'
  AND right(c.relname, 8) < to_char($1::date, 'YYYYMMDD')
ORDER BY c.relname
