SELECT format('ALTER TABLE agent_hub.log_chunk DETACH PARTITION agent_hub.%I CONCURRENTLY', $1::text)
