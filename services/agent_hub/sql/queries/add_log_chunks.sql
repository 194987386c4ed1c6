INSERT INTO agent_hub.log_chunk (task_id, generation, sequence, arrive_time, read_time, stream, last, omitted, data)
SELECT c.task_id, c.generation, c.sequence, $9, c.read_time, c.stream, c.last, c.omitted, c.data
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::smallint[], $6::boolean[], $7::bigint[],
            $8::bytea[]) AS c (task_id, generation, sequence, read_time, stream, last, omitted, data)
