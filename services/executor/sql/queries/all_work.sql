SELECT task_id, generation, flags, started, payload FROM work ORDER BY task_id, generation
