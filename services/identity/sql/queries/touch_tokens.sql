UPDATE identity.token AS t
SET last_used_time = greatest(t.last_used_time, u.used)
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (token_id, used)
WHERE t.token_id = u.token_id
