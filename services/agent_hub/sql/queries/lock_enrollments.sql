-- Enrolments are rare; one at a time keeps their rules (unique names, a bound, one redemption) exact.
SELECT pg_advisory_xact_lock(hashtextextended('switchyard.agent_hub.enrollment', 0))
