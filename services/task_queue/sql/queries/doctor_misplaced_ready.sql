SELECT id::text || ' stands in shard ' || shard || ', rank ' || rank FROM task_queue.ready
WHERE shard <> get_byte(uuid_send(id), 15) % 16 OR rank NOT BETWEEN 2 AND 9 OR (rank % 2 = 0) <> (generation = 0)
LIMIT 100
