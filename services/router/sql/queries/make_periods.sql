INSERT INTO router.budget_period (budget_id, period_start)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
ON CONFLICT DO NOTHING
