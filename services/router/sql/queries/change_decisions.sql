-- Another endpoint was granted.
UPDATE router.decision AS d
SET model = k.model, fallback = k.fallback, routing = k.routing, reserved_micros = k.reserved_micros
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::boolean[], $7::bytea[], $8::bigint[])
  AS k (task_id, generation, decision_id, create_time, model, fallback, routing, reserved_micros)
WHERE (d.task_id, d.generation, d.decision_id, d.create_time) = (k.task_id, k.generation, k.decision_id, k.create_time)
