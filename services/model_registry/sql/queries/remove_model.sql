DELETE FROM model_registry.model WHERE model = $1
