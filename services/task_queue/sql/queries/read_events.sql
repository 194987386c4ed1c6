-- Columns are qualified where they are ordered by: a bare xid would be the text of the first output column.
SELECT e.xid::text, e.seq, e.payload
FROM task_queue.event_log e
WHERE (e.xid, e.seq) > ($1::text::xid8, $2::bigint) AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.xid, e.seq
LIMIT $3::bigint
