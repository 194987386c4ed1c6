DELETE FROM model_registry.disabled_model WHERE endpoint_id = $1
