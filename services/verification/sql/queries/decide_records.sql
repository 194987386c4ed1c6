UPDATE verification.record AS r
SET state = 2, verdict = k.verdict, reason = k.reason, permanent = k.permanent, decide_time = k.decide_time,
    judge_state = k.judge_state, judge_model = k.judge_model, judge_confidence = k.judge_confidence,
    same_family = k.same_family, body = k.body, look_after = $12
FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::text[], $5::boolean[], $6::timestamptz[], $7::smallint[], $8::text[],
            $9::float8[], $10::boolean[], $11::bytea[])
  AS k (task_id, generation, verdict, reason, permanent, decide_time, judge_state, judge_model, judge_confidence, same_family,
        body)
WHERE (r.task_id, r.generation) = (k.task_id, k.generation) AND r.state = 1
RETURNING r.task_id, r.generation
