-- Reservations of one endpoint are decided one batch at a time, in every replica; endpoints of files have no row to lock.
SELECT pg_advisory_xact_lock(hashtextextended('switchyard.model_registry.endpoint ' || e.endpoint_id, 0))
FROM (SELECT DISTINCT endpoint_id FROM unnest($1::uuid[]) AS u (endpoint_id) ORDER BY endpoint_id) AS e
