-- Which budgets each item counts against.
SELECT i.item - 1, b.budget_id, b.period
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (project, provider, model, item)
JOIN router.budget b ON b.project IN ('', i.project) AND lower(b.provider) IN ('', lower(i.provider))
  AND lower(b.model) IN ('', lower(i.model))
ORDER BY i.item, b.name
