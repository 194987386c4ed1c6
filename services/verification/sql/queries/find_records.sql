SELECT r.task_id, r.generation, r.state, r.verdict, r.reason, r.permanent, r.create_time, r.decide_time, r.project, r.model, r.tier,
       r.cost_micros, r.cost_unknown, r.judge_state, r.judge_model, r.judge_confidence, r.same_family, r.judge_task, r.judge_due,
       r.body, r.policy, r.spec, r.watched
FROM unnest($1::uuid[], $2::bigint[]) AS k (task_id, generation)
JOIN verification.record r ON (r.task_id, r.generation) = (k.task_id, k.generation)
