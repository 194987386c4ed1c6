-- What another process is about to claim is left to it.
WITH due AS (
  SELECT task_id, generation FROM verification.record
  WHERE state IN (1, 2) AND look_after <= $1
  ORDER BY look_after, task_id, generation
  LIMIT $4
  FOR UPDATE SKIP LOCKED
)
UPDATE verification.record AS r
SET look_after = $1 + least(greatest(($1 - r.create_time) / 8, $2 * interval '1 microsecond'), $3 * interval '1 microsecond')
FROM due
WHERE (r.task_id, r.generation) = (due.task_id, due.generation)
RETURNING r.task_id, r.generation, r.state, r.verdict, r.reason, r.permanent, r.create_time, r.decide_time, r.project, r.model, r.tier,
       r.cost_micros, r.cost_unknown, r.judge_state, r.judge_model, r.judge_confidence, r.same_family, r.judge_task, r.judge_due,
       r.body, r.policy, r.spec, r.watched
