SELECT endpoint_id, spec, create_time, update_time, created_by, revision
FROM model_registry.endpoint
ORDER BY name
