SELECT endpoint_id, spec, create_time, update_time, created_by, revision
FROM model_registry.endpoint
WHERE endpoint_id = $1
