SELECT budget_id, project, provider, model, period, (SELECT count(*) FROM router.budget)
FROM (SELECT) AS one LEFT JOIN router.budget ON name = $1
