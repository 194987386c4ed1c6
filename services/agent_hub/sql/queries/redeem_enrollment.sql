UPDATE agent_hub.enrollment
SET redeem_time = $2, redeem_hash = $3, host_name = $4
WHERE enrollment_id = $1
