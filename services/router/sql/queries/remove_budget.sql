DELETE FROM router.budget WHERE name = $1
