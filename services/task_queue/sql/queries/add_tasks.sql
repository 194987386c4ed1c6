INSERT INTO task_queue.task (id, lane, project, task_type, principal, title, traceparent, spec)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
