INSERT INTO task_queue.incarnation (id, system_identifier)
SELECT $1::uuid, system_identifier::text FROM pg_control_system()
ON CONFLICT (singleton) DO UPDATE SET id = EXCLUDED.id, system_identifier = EXCLUDED.system_identifier
WHERE task_queue.incarnation.system_identifier <> EXCLUDED.system_identifier
