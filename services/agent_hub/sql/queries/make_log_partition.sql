SELECT agent_hub.make_log_partition($1::date)
