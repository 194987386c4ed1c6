-- One row for each pair, made when missing, locked in order.
INSERT INTO agent_hub.log_tally AS t (task_id, generation, last_time)
SELECT k.task_id, k.generation, $3
FROM unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
ORDER BY k.task_id, k.generation
ON CONFLICT (task_id, generation) DO UPDATE SET last_time = greatest(t.last_time, excluded.last_time)
RETURNING task_id, generation, last_sequence, head_sequence, head_bytes, tail_sequence, tail_bytes
