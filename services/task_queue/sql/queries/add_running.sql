INSERT INTO task_queue.running (id, generation, revision, due, agent, directive, carry)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::boolean[], $7::bytea[])
