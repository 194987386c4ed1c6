UPDATE counter SET value = max(value, ?1) WHERE name = 'next_report'
