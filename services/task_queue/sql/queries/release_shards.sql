UPDATE task_queue.shard SET owner = NULL, epoch = epoch + 1, expire_time = NULL WHERE owner = $1::text
