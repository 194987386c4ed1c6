SELECT b.budget_id, b.name, b.project, b.provider, b.model, b.period, b.limit_micros, b.policy, b.warn_percent
FROM router.budget b
ORDER BY b.name
