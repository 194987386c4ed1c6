SELECT project, tier, version, update_time, body FROM verification.policy ORDER BY project, tier
