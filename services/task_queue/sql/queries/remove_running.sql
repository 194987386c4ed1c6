DELETE FROM task_queue.running r
USING unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
  AS u(id, generation, revision, agent, session_epoch)
WHERE r.id = u.id AND r.generation = u.generation AND r.revision = u.revision
  AND (u.session_epoch IS NULL
       OR EXISTS (SELECT FROM task_queue.session s
                  WHERE s.agent = u.agent AND s.epoch = u.session_epoch AND s.expire_time IS NOT NULL
                  OFFSET 0))
RETURNING r.id
