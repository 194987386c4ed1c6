INSERT INTO router.charge (task_id, generation, budget_id, period_start, create_time)
SELECT k.*, $5 FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[]) AS k
ON CONFLICT (task_id, generation, budget_id) DO UPDATE
SET period_start = excluded.period_start, create_time = excluded.create_time
