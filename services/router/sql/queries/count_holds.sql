SELECT count(*) FROM router.hold
