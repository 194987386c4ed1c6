-- One statement sees one moment.
SELECT 'budget ' || coalesce(b.name, p.budget_id::text) || ' holds ' || p.held_micros || ' in the period from ' ||
       p.period_start || ', its reservations ' || coalesce(h.micros, 0)
FROM router.budget_period p
LEFT JOIN router.budget b ON b.budget_id = p.budget_id
LEFT JOIN (SELECT c.budget_id, c.period_start, sum(h.micros) AS micros
           FROM router.charge c JOIN router.hold h ON (h.task_id, h.generation) = (c.task_id, c.generation)
           GROUP BY c.budget_id, c.period_start) AS h
  ON (h.budget_id, h.period_start) = (p.budget_id, p.period_start)
WHERE p.held_micros <> coalesce(h.micros, 0)
LIMIT 100
