UPDATE router.budget_period AS p
SET spent_micros = k.spent_micros, held_micros = k.held_micros, warned = k.warned
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::boolean[])
  AS k (budget_id, period_start, spent_micros, held_micros, warned)
WHERE (p.budget_id, p.period_start) = (k.budget_id, k.period_start)
