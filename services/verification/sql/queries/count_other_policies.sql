SELECT count(*) FROM verification.policy WHERE (project, tier) <> ($1, $2)
