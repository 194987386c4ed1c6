SELECT 'no partition of decisions for tomorrow: ' || (clock_timestamp() + interval '1 day')::date
WHERE EXISTS (SELECT FROM router.hold)
  AND to_regclass('router.decision_p' ||
                  to_char((clock_timestamp() + interval '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NULL
