-- The front of each list, from its low-water mark on: beginning at the first key would walk what was deleted before it.
SELECT l.shard, l.rank, r.id, r.carry
FROM unnest($1::smallint[], $2::smallint[], $3::uuid[]) AS l(shard, rank, low)
CROSS JOIN LATERAL (
  SELECT id, carry FROM task_queue.ready r
  WHERE r.shard = l.shard AND r.rank = l.rank AND r.id >= l.low
  ORDER BY r.id LIMIT $4::bigint
) AS r
