-- $5 bytes at most, or one chunk. Nothing of a task arrives before it was made, so elder partitions are not looked at.
SELECT c.generation, c.sequence, c.read_time, c.stream, c.last, c.data,
       c.omitted + CASE WHEN c.first_of_tail THEN c.cut_bytes ELSE 0 END
FROM (
  SELECT l.*, t.cut_bytes,
         t.cut_bytes > 0 AND l.sequence >= t.tail_sequence AND
           coalesce(lag(l.sequence) OVER (PARTITION BY l.generation ORDER BY l.sequence), 0) < t.tail_sequence AND
           NOT (l.generation = $2 AND $3 + 1 >= t.tail_sequence) AS first_of_tail,
         sum(octet_length(l.data)) OVER (ORDER BY l.generation, l.sequence) - octet_length(l.data) AS before
  FROM (
    SELECT *
    FROM agent_hub.log_chunk
    WHERE task_id = $1 AND (generation, sequence) > ($2, $3) AND ($4 = 0 OR generation = $4) AND arrive_time >= $6
    ORDER BY generation, sequence
    LIMIT 500) AS l
  JOIN agent_hub.log_tally AS t ON t.task_id = l.task_id AND t.generation = l.generation) AS c
WHERE c.before < $5
ORDER BY c.generation, c.sequence
