INSERT INTO router.budget (name, budget_id, project, provider, model, period, limit_micros, policy, warn_percent, set_time,
                           set_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (name) DO UPDATE
SET budget_id = excluded.budget_id, project = excluded.project, provider = excluded.provider, model = excluded.model,
    period = excluded.period, limit_micros = excluded.limit_micros, policy = excluded.policy,
    warn_percent = excluded.warn_percent, set_time = excluded.set_time, set_by = excluded.set_by
