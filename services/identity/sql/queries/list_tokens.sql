SELECT token_id, principal_id, name, scopes, create_time, expire_time, revoke_time, revoke_reason, last_used_time, created_by,
       rotated_from
FROM identity.token
WHERE ($1::uuid IS NULL OR token_id < $1)
  AND ($2::timestamptz IS NULL OR (revoke_time IS NULL AND expire_time > $2))
  AND ($3 = '' OR name = $3)
  AND ($5::uuid IS NULL OR principal_id = $5)
ORDER BY token_id DESC
LIMIT $4
