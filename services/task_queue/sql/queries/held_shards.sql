SELECT shard, epoch FROM task_queue.shard WHERE owner = $1::text ORDER BY shard
