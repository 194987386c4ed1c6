SELECT task_id, generation, decision_id, create_time, project, model, state, fallback, mismatch, explanation, routing, usage,
       outcome, reserved_micros, settled_micros, settle_time
FROM router.decision
WHERE (create_time, decision_id) < ($1, $2)
  AND ($3::uuid IS NULL OR task_id = $3) AND ($4 = '' OR project = $4) AND ($5 = '' OR model = $5)
  AND (NOT $6 OR fallback) AND (NOT $7 OR mismatch)
ORDER BY create_time DESC, decision_id DESC
LIMIT $8
