DELETE FROM model_registry.reservation WHERE expire_time <= $1
