INSERT INTO model_registry.disabled_model (endpoint_id, model, disable_time, disabled_by)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
