-- In order, so that batches of several hubs do not wait for each other in circles.
SELECT count(*)
FROM (SELECT 1 FROM agent_hub.agent WHERE agent_id = ANY ($1::uuid[]) ORDER BY agent_id FOR UPDATE) AS locked
