SELECT format('DROP TABLE IF EXISTS router.%I', $1::text)
