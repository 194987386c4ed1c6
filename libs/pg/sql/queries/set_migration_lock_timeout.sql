SELECT set_config('lock_timeout', {milliseconds}, false), set_config('statement_timeout', '0', false)
