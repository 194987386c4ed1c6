SELECT u.ord, s.spec, s.traceparent
FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord)
CROSS JOIN LATERAL (
  SELECT spec, traceparent FROM task_queue.task t WHERE t.id = u.id
  UNION ALL SELECT spec, traceparent FROM task_queue.task_pinned t WHERE t.id = u.id
) AS s
