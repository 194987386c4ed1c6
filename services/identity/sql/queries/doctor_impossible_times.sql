SELECT 'token ' || token_id || ' ends or was used or revoked before it was made'
FROM identity.token
WHERE expire_time < create_time OR revoke_time < create_time OR last_used_time < create_time
LIMIT 100
