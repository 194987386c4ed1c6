-- Only what is held waits for another.
SELECT d.task::text || ' is not held and waits for ' || d.awaited::text FROM task_queue.dependency d
WHERE NOT EXISTS (SELECT FROM task_queue.held h WHERE h.id = d.task)
LIMIT 100
