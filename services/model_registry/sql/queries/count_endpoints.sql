SELECT count(*), count(*) FILTER (WHERE name = $1) FROM model_registry.endpoint
