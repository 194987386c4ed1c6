INSERT INTO model_registry.endpoint (endpoint_id, name, spec, create_time, update_time, created_by, revision, requester,
                                     request_id, content_hash)
VALUES ($1, $2, $3, $4, $4, $5, 1, $6, $7, $8)
