SELECT token_id, principal_id, name, scopes, create_time, expire_time, revoke_time, revoke_reason, last_used_time, created_by,
       rotated_from,
       content_hash
FROM identity.token
WHERE requester = $1 AND request_id = $2 AND request_id <> ''
