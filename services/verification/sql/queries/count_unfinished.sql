SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2) FROM verification.record WHERE state IN (1, 2)
