INSERT INTO task_queue.stage_delta (lane, stage, delta) SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::bigint[])
