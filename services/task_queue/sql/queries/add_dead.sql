INSERT INTO task_queue.dead (id, generation, revision, model, carry)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[])
