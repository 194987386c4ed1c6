SELECT format('ALTER TABLE router.decision DETACH PARTITION router.%I FINALIZE', $1::text)
