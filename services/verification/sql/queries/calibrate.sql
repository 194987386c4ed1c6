-- Of each source the newest mark counts; one bad one is enough.
WITH recent AS (
  SELECT task_id, generation, model, tier, verdict, judge_model, judge_state, judge_confidence, cost_micros, cost_unknown,
         same_family
  FROM verification.record
  WHERE create_time >= $3 AND state IN (2, 3) AND decide_time >= $2 AND ($1 = '' OR project = $1)
), newest AS (
  SELECT DISTINCT ON (task_id, source) task_id, kind FROM verification.mark
  WHERE task_id IN (SELECT task_id FROM recent)
  ORDER BY task_id, source, time DESC, kind DESC
), quality AS (
  SELECT task_id, CASE WHEN bool_or(kind IN (2, 3, 5)) THEN 2 ELSE 1 END AS quality FROM newest GROUP BY task_id
), verdict AS (
  SELECT r.model, r.tier, r.verdict, coalesce(q.quality, 0) AS quality, r.judge_model, r.judge_state, r.cost_micros,
         r.cost_unknown, r.same_family,
         CASE r.judge_state WHEN 3 THEN r.judge_confidence WHEN 4 THEN 1 - r.judge_confidence ELSE 0 END AS good
  FROM recent r
  LEFT JOIN quality q ON q.task_id = r.task_id AND NOT EXISTS (
    SELECT FROM verification.record l WHERE l.task_id = r.task_id AND l.generation > r.generation)
)
SELECT model, tier, verdict, quality, judge_model, judge_state, count(*),
       coalesce(sum(cost_micros) FILTER (WHERE NOT cost_unknown), 0)::bigint, count(*) FILTER (WHERE cost_unknown),
       count(*) FILTER (WHERE same_family), sum(good), sum(good * good)
FROM verdict
GROUP BY model, tier, verdict, quality, judge_model, judge_state
ORDER BY model, tier, verdict, quality, judge_model, judge_state
