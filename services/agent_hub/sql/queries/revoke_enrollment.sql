UPDATE agent_hub.enrollment
SET revoke_time = coalesce(revoke_time, $2)
WHERE enrollment_id = $1
