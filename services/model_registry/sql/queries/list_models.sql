SELECT spec FROM model_registry.model ORDER BY model
