INSERT INTO model_registry.model (model, spec, set_time, set_by)
VALUES ($1, $2, $3, $4)
ON CONFLICT (model) DO UPDATE SET spec = excluded.spec, set_time = excluded.set_time, set_by = excluded.set_by
