SELECT format('ALTER TABLE router.decision DETACH PARTITION router.%I CONCURRENTLY', $1::text)
