SELECT enrollment_id, agent_id, name, labels, token_hash, create_time, expire_time, created_by, token_lifetime,
       redeem_time, redeem_hash, host_name, revoke_time
FROM agent_hub.enrollment
WHERE enrollment_id = $1
