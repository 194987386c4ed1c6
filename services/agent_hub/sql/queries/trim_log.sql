-- Drops the eldest chunks behind the head until the tail is small enough.
WITH sized AS (
  SELECT sequence, arrive_time, octet_length(data) + omitted AS bytes,
         sum(octet_length(data)) OVER (ORDER BY sequence DESC) AS from_end
  FROM agent_hub.log_chunk
  WHERE task_id = $1 AND generation = $2 AND sequence >= $3
), gone AS (
  DELETE FROM agent_hub.log_chunk AS c
  USING sized AS s
  WHERE c.task_id = $1 AND c.generation = $2 AND c.sequence = s.sequence AND c.arrive_time = s.arrive_time
    AND s.from_end > $4
  RETURNING c.sequence, s.bytes
)
UPDATE agent_hub.log_tally AS t
SET tail_sequence = (SELECT max(sequence) + 1 FROM gone),
    tail_bytes = (SELECT coalesce(max(from_end), 0) FROM sized WHERE from_end <= $4),
    cut_bytes = t.cut_bytes + (SELECT sum(bytes) FROM gone)
WHERE t.task_id = $1 AND t.generation = $2 AND EXISTS (SELECT FROM gone)
