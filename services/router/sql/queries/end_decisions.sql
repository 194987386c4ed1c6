UPDATE router.decision AS d
SET state = k.state, outcome = k.outcome, usage = k.usage, settled_micros = k.settled_micros, mismatch = k.mismatch,
    settle_time = $10
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::smallint[], $6::smallint[], $7::bytea[],
            $8::bigint[], $9::boolean[])
  AS k (task_id, generation, decision_id, create_time, state, outcome, usage, settled_micros, mismatch)
WHERE (d.task_id, d.generation, d.decision_id, d.create_time) = (k.task_id, k.generation, k.decision_id, k.create_time)
