-- Free or expired ones, never more in total than wanted.
UPDATE task_queue.shard SET owner = $1::text, epoch = epoch + 1, expire_time = $4::timestamptz
WHERE shard IN (
  SELECT shard FROM task_queue.shard
  WHERE owner IS DISTINCT FROM $1::text AND (owner IS NULL OR expire_time <= $3::timestamptz)
  ORDER BY shard
  LIMIT greatest(0, $2::bigint - (SELECT count(*) FROM task_queue.shard WHERE owner = $1::text))
  FOR UPDATE SKIP LOCKED)
