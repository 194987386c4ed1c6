DELETE FROM router.charge AS c
WHERE c.create_time < $1
  AND NOT EXISTS (SELECT FROM router.hold h WHERE (h.task_id, h.generation) = (c.task_id, c.generation))
