-- The newest period that each budget counted in.
SELECT b.budget_id, p.period_start, p.spent_micros, p.held_micros, p.warned
FROM router.budget b
CROSS JOIN LATERAL (
  SELECT * FROM router.budget_period o WHERE o.budget_id = b.budget_id ORDER BY o.period_start DESC LIMIT 1
) AS p
