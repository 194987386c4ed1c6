-- What is held for a task changes one transaction at a time, in every replica; a hold that is not there yet has no row to lock.
SELECT pg_advisory_xact_lock(hashtextextended('switchyard.router.task ' || t.task_id, 0))
FROM (SELECT DISTINCT task_id FROM unnest($1::uuid[]) AS u (task_id) ORDER BY task_id) AS t
