-- An expired lease that nobody took is still the owner's: the epoch says so.
UPDATE task_queue.shard SET expire_time = $2::timestamptz WHERE owner = $1::text
