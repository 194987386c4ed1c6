-- Rows of who waits for whom come and go as those of the live tables do.
ALTER TABLE task_queue.dependency SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.5, autovacuum_analyze_scale_factor = 1, autovacuum_vacuum_cost_delay = 2);
