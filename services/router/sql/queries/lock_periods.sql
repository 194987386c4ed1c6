-- A budget that was removed or counts something else by now has no limit.
SELECT p.budget_id, p.period_start, p.spent_micros, p.held_micros, p.warned, b.limit_micros, b.warn_percent, b.name, b.policy,
       b.period
FROM unnest($1::uuid[], $2::timestamptz[]) AS k (budget_id, period_start)
JOIN router.budget_period p ON (p.budget_id, p.period_start) = (k.budget_id, k.period_start)
LEFT JOIN router.budget b ON b.budget_id = p.budget_id
ORDER BY p.budget_id, p.period_start
FOR UPDATE OF p
