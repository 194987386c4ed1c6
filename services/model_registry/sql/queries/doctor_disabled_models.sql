SELECT 'model ' || model || ' is disabled without a name'
FROM model_registry.disabled_model
WHERE model = ''
LIMIT 100
