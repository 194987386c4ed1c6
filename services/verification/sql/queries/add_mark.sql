INSERT INTO verification.mark (task_id, kind, source, note, time)
SELECT $1, $2, $3, $4, $5
WHERE EXISTS (SELECT FROM verification.record WHERE task_id = $1)
ON CONFLICT (task_id, kind, source) DO UPDATE SET note = excluded.note, time = excluded.time
