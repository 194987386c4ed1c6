DELETE FROM model_registry.probe_claim WHERE until_time <= $1
