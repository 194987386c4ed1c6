-- Specifications with what lists show beside them.
SELECT s.id, s.title, s.task_type, s.traceparent, s.spec
FROM unnest($1::uuid[]) AS u(id)
CROSS JOIN LATERAL (
  SELECT id, title, task_type, traceparent, spec FROM task_queue.task t WHERE t.id = u.id
  UNION ALL SELECT id, title, task_type, traceparent, spec FROM task_queue.task_pinned t WHERE t.id = u.id
) AS s
