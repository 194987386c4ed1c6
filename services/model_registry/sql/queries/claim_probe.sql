INSERT INTO model_registry.probe_claim AS c (endpoint_id, until_time)
VALUES ($1, $2)
ON CONFLICT (endpoint_id) DO UPDATE SET until_time = excluded.until_time
WHERE c.until_time <= $3
