-- Positions that were given out lie below this transaction, or at its very begin.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text
