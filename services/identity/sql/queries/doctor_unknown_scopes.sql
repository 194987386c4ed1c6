-- 62 has the bits 1 to 5.
SELECT 'token ' || token_id || ' has the scopes ' || scopes
FROM identity.token
WHERE scopes & ~62 <> 0
LIMIT 100
