SELECT count(*)
FROM identity.token
WHERE revoke_time IS NULL AND expire_time > $1
