INSERT INTO identity.token (token_id, principal_id, token_hash, name, scopes, create_time, expire_time, created_by,
                            rotated_from, requester, request_id, content_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
