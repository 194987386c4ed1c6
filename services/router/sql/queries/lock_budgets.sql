-- Changes of budgets are rare; one at a time keeps their bound exact.
SELECT pg_advisory_xact_lock(hashtextextended('switchyard.router.budgets', 0))
