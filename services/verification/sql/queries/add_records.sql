INSERT INTO verification.record (task_id, generation, state, verdict, reason, permanent, create_time, decide_time, project, model,
                                 tier, cost_micros, cost_unknown, judge_state, judge_model, judge_confidence, same_family,
                                 judge_due, body, policy, spec, report, look_after, watched)
SELECT k.task_id, k.generation, k.state, k.verdict, k.reason, k.permanent, k.create_time,
       CASE WHEN k.state = 1 THEN NULL ELSE k.create_time END, k.project, k.model, k.tier, k.cost_micros, k.cost_unknown,
       k.judge_state, k.judge_model, k.judge_confidence, k.same_family, k.judge_due, k.body, k.policy, k.spec, k.report,
       CASE WHEN k.state = 1 THEN k.create_time ELSE $22 END, k.watched
FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::smallint[], $5::text[], $6::boolean[], $7::timestamptz[], $8::text[],
            $9::text[], $10::smallint[], $11::bigint[], $12::boolean[], $13::smallint[], $14::text[], $15::float8[],
            $16::boolean[], $17::timestamptz[], $18::bytea[], $19::bytea[], $20::bytea[], $21::bytea[], $23::boolean[])
  AS k (task_id, generation, state, verdict, reason, permanent, create_time, project, model, tier, cost_micros, cost_unknown,
        judge_state, judge_model, judge_confidence, same_family, judge_due, body, policy, spec, report, watched)
ON CONFLICT (task_id, generation) DO NOTHING
RETURNING task_id, generation
