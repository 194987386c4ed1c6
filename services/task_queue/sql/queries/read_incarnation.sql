SELECT i.id::text, i.system_identifier = (SELECT system_identifier::text FROM pg_control_system())
FROM task_queue.incarnation i
