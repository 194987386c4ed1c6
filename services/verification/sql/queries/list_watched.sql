SELECT r.task_id, r.generation, r.state, r.verdict, r.reason, r.permanent, r.create_time, r.decide_time, r.project, r.model, r.tier,
       r.cost_micros, r.cost_unknown, r.judge_state, r.judge_model, r.judge_confidence, r.same_family, r.judge_task, r.judge_due,
       r.body, r.policy, r.spec, r.watched, r.report
FROM verification.record r
WHERE r.watched AND r.state = 3 AND r.task_id > $1 AND r.create_time >= $2
  AND NOT EXISTS (SELECT FROM verification.record l WHERE l.task_id = r.task_id AND l.generation > r.generation)
ORDER BY r.task_id
LIMIT $3
