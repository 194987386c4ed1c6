-- A budget that was set anew warns anew.
UPDATE router.budget_period SET warned = false WHERE budget_id = $1 AND warned
