SELECT EXISTS (SELECT FROM model_registry.endpoint WHERE name = $1 AND endpoint_id <> $2)
