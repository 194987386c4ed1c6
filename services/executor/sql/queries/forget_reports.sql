DELETE FROM report WHERE task_id = ?1 AND generation = ?2
