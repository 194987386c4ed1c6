-- A bounded stretch of tasks by id with what filters look at. Bounded, so that a filter that matches nothing costs no more
-- than one that matches all.
(SELECT id, lane, project, task_type, principal, title FROM task_queue.task
 WHERE id > $1::uuid AND id >= $2::uuid AND id < $3::uuid ORDER BY id ASC LIMIT $4::bigint)
UNION ALL
(SELECT id, lane, project, task_type, principal, title FROM task_queue.task_pinned
 WHERE id > $1::uuid AND id >= $2::uuid AND id < $3::uuid ORDER BY id ASC LIMIT $4::bigint)
ORDER BY id ASC LIMIT $4::bigint
