-- Rows that are as they were read, and whose guards hold. The key comes whole, so that each is one probe.
DELETE FROM task_queue.ready r
USING unnest($1::smallint[], $2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
             $8::bigint[])
  AS u(shard, rank, id, generation, revision, shard_epoch, agent, session_epoch)
WHERE r.shard = u.shard AND r.rank = u.rank AND r.id = u.id
  AND r.generation = u.generation AND r.revision = u.revision
  AND (u.shard_epoch IS NULL
       OR EXISTS (SELECT FROM task_queue.shard s WHERE s.shard = u.shard AND s.epoch = u.shard_epoch OFFSET 0))
  AND (u.session_epoch IS NULL
       OR EXISTS (SELECT FROM task_queue.session s
                  WHERE s.agent = u.agent AND s.epoch = u.session_epoch AND s.expire_time IS NOT NULL
                  OFFSET 0))
RETURNING r.id
