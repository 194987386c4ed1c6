INSERT INTO task_queue.ready (shard, rank, id, generation, revision, due, carry)
SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                     $7::bytea[])
