SELECT endpoint_id, model FROM model_registry.disabled_model ORDER BY endpoint_id, model
