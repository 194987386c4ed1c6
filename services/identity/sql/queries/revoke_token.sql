UPDATE identity.token
SET revoke_time = $2, revoke_reason = $3
WHERE token_id = $1 AND revoke_time IS NULL
RETURNING token_id, principal_id, name, scopes, create_time, expire_time, revoke_time, revoke_reason, last_used_time, created_by,
       rotated_from
