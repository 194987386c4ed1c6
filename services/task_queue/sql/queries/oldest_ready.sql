SELECT l.rank / 2, min(r.id::text)
FROM unnest($1::smallint[], $2::smallint[], $3::uuid[]) AS l(shard, rank, low)
CROSS JOIN LATERAL (
  SELECT id FROM task_queue.ready r
  WHERE r.shard = l.shard AND r.rank = l.rank AND r.id >= l.low ORDER BY r.id LIMIT 1
) AS r
GROUP BY l.rank / 2
