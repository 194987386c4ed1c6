SELECT shard, epoch FROM task_queue.shard WHERE shard = ANY ($1::smallint[])
