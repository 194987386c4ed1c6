SELECT router.make_decision_partition($1::date)
