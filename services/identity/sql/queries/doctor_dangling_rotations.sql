SELECT 'token ' || t.token_id || ' has another principal than its predecessor ' || t.rotated_from
FROM identity.token AS t
JOIN identity.token AS o ON o.token_id = t.rotated_from
WHERE o.principal_id <> t.principal_id
LIMIT 100
