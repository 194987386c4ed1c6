-- A probe each, so that few are found among many.
SELECT d.task, d.awaited
FROM unnest($1::uuid[]) AS u(awaited)
CROSS JOIN LATERAL (
  SELECT w.task, w.awaited FROM task_queue.dependency w
  WHERE w.awaited = u.awaited AND (w.awaited, w.task) > ($2::uuid, $3::uuid)
  ORDER BY w.awaited, w.task LIMIT $4::bigint
) AS d
ORDER BY d.awaited, d.task LIMIT $4::bigint
