SELECT model, count(*) FROM task_queue.dead GROUP BY model ORDER BY model
