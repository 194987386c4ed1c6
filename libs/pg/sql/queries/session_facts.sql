-- Both change when shared memory is set up anew: by a restart, and by the reset of the statistics in crash recovery.
SELECT concat_ws('/', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_wal)), pg_is_in_recovery()
