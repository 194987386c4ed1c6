UPDATE model_registry.endpoint
SET name = $2, spec = $3, update_time = $4, revision = revision + 1
WHERE endpoint_id = $1
RETURNING endpoint_id, spec, create_time, update_time, created_by, revision
