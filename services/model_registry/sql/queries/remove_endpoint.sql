DELETE FROM model_registry.endpoint
WHERE endpoint_id = $1
RETURNING endpoint_id, spec, create_time, update_time, created_by, revision
