-- 2 is the bit of the scope admin.
SELECT EXISTS (
  SELECT 1
  FROM identity.token
  WHERE token_id <> $1 AND scopes & 2 <> 0 AND revoke_time IS NULL AND expire_time > $2)
