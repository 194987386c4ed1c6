SELECT 'no partition of task logs for tomorrow: ' || (clock_timestamp() + interval '1 day')::date
WHERE EXISTS (SELECT FROM agent_hub.agent)
  AND to_regclass('agent_hub.log_chunk_p' ||
                  to_char((clock_timestamp() + interval '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NULL
