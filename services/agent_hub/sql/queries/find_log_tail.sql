-- The last chunk that is not among the last $3 bytes; no row when all are.
WITH one AS (
  SELECT CASE WHEN $2 = 0 THEN max(generation) ELSE $2 END AS generation
  FROM agent_hub.log_tally
  WHERE task_id = $1
)
SELECT (SELECT generation FROM one), max(s.sequence)
FROM (
  SELECT sequence, sum(octet_length(data)) OVER (ORDER BY sequence DESC) - octet_length(data) AS after
  FROM agent_hub.log_chunk
  WHERE task_id = $1 AND generation = (SELECT generation FROM one) AND arrive_time >= $4) AS s
WHERE s.after >= $3
