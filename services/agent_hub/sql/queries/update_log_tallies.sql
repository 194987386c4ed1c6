UPDATE agent_hub.log_tally AS t
SET last_sequence = n.last_sequence, head_sequence = n.head_sequence, head_bytes = n.head_bytes,
    tail_sequence = n.tail_sequence, tail_bytes = n.tail_bytes
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
       AS n (task_id, generation, last_sequence, head_sequence, head_bytes, tail_sequence, tail_bytes)
WHERE t.task_id = n.task_id AND t.generation = n.generation
