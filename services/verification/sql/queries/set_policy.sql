INSERT INTO verification.policy (project, tier, version, update_time, update_by, body)
VALUES ($1, $2, nextval('verification.policy_version'), $3, $4, $5)
ON CONFLICT (project, tier) DO UPDATE
SET version = excluded.version, update_time = excluded.update_time, update_by = excluded.update_by, body = excluded.body
RETURNING version
