UPDATE task_queue.judging r
SET revision = u.next_revision, due = u.due, carry = u.carry
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bytea[])
  AS u(id, generation, revision, next_revision, due, carry)
WHERE r.id = u.id AND r.generation = u.generation AND r.revision = u.revision
RETURNING r.id
