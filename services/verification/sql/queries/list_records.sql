SELECT r.task_id, r.generation, r.state, r.verdict, r.reason, r.permanent, r.create_time, r.decide_time, r.project, r.model, r.tier,
       r.cost_micros, r.cost_unknown, r.judge_state, r.judge_model, r.judge_confidence, r.same_family, r.judge_task, r.judge_due,
       r.body, r.policy, r.spec, r.watched
FROM verification.record r
WHERE (r.create_time, r.task_id, r.generation) < ($1, $2, $3)
  AND $4::uuid IS NULL AND ($5 = '' OR r.project = $5) AND ($6 = '' OR r.model = $6)
  AND ($7 = 0 OR r.state = $7) AND ($8 < 0 OR r.verdict = $8)
ORDER BY r.create_time DESC, r.task_id DESC, r.generation DESC
LIMIT $9
