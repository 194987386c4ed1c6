SELECT format('DROP TABLE IF EXISTS agent_hub.%I', $1::text)
