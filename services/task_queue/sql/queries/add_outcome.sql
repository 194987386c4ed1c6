INSERT INTO task_queue.outcome (id, state, finish_time, carry)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::bytea[])
