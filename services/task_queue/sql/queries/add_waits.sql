INSERT INTO task_queue.dependency (task, awaited) SELECT * FROM unnest($1::uuid[], $2::uuid[])
