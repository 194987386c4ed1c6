-- Changes of tokens are rare; one at a time keeps their rules (a bound, the last administrator) exact.
SELECT pg_advisory_xact_lock(hashtextextended('switchyard.identity.token', 0))
