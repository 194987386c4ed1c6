-- More than wanted: the highest go back, so that another scheduler can have them.
UPDATE task_queue.shard SET owner = NULL, epoch = epoch + 1, expire_time = NULL
WHERE shard IN (SELECT shard FROM task_queue.shard WHERE owner = $1::text ORDER BY shard OFFSET $2::bigint)
