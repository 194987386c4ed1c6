UPDATE verification.record AS r
SET state = k.state, decide_time = coalesce(r.decide_time, r.create_time)
FROM unnest($1::uuid[], $2::bigint[], $3::smallint[]) AS k (task_id, generation, state)
WHERE (r.task_id, r.generation) = (k.task_id, k.generation) AND r.state IN (1, 2)
