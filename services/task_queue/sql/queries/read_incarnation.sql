SELECT id::text, life IS NOT DISTINCT FROM task_queue.database_life() FROM task_queue.incarnation
