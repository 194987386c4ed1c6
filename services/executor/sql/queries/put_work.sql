INSERT INTO work (task_id, generation, flags, started, payload) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (task_id, generation) DO UPDATE SET started = excluded.started
