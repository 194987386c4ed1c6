-- Changes of the configuration are rare; one at a time keeps their rules (names, a bound) exact.
SELECT pg_advisory_xact_lock(hashtextextended('switchyard.model_registry.configuration', 0))
