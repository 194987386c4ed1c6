DELETE FROM agent_hub.log_tally
WHERE ctid = ANY (ARRAY(SELECT ctid FROM agent_hub.log_tally WHERE last_time < $1 LIMIT 10000))
