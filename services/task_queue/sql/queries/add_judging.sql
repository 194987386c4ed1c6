INSERT INTO task_queue.judging (id, generation, revision, due, carry)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::bytea[])
