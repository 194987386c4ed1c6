SELECT token_id, principal_id, name, scopes, create_time, expire_time, revoke_time, revoke_reason, last_used_time, created_by,
       rotated_from
FROM identity.token
WHERE token_id = $1
