SELECT endpoint_id, spec, create_time, update_time, created_by, revision, content_hash
FROM model_registry.endpoint
WHERE requester = $1 AND request_id = $2 AND request_id <> ''
