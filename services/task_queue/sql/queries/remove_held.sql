DELETE FROM task_queue.held r
USING unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS u(id, generation, revision)
WHERE r.id = u.id AND r.generation = u.generation AND r.revision = u.revision
RETURNING r.id
