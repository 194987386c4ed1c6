-- Of what is over, nothing is held any more after this long.
DELETE FROM router.budget_period AS p
WHERE p.period_start < $1 AND p.held_micros = 0
