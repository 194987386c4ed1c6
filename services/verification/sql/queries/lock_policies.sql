SELECT pg_advisory_xact_lock(hashtextextended('switchyard.verification.policy', 0))
