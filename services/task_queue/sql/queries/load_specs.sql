SELECT u.ord, s.spec
FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord)
CROSS JOIN LATERAL (
  SELECT spec FROM task_queue.task t WHERE t.id = u.id
  UNION ALL SELECT spec FROM task_queue.task_pinned t WHERE t.id = u.id
) AS s
