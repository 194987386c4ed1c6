INSERT INTO task_queue.incarnation (id, system_identifier, life)
SELECT $1::uuid, system_identifier::text, task_queue.database_life() FROM pg_control_system()
ON CONFLICT (singleton) DO UPDATE
SET id = EXCLUDED.id, system_identifier = EXCLUDED.system_identifier, life = EXCLUDED.life
WHERE task_queue.incarnation.life IS DISTINCT FROM EXCLUDED.life
