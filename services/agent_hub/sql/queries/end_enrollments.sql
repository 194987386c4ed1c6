UPDATE agent_hub.enrollment
SET revoke_time = $2
WHERE name = $1 AND redeem_time IS NULL AND revoke_time IS NULL AND expire_time > $2
