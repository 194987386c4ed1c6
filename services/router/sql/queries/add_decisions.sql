INSERT INTO router.decision (task_id, generation, decision_id, create_time, project, model, state, fallback, explanation,
                             routing, reserved_micros)
SELECT k.task_id, k.generation, k.decision_id, k.create_time, k.project, k.model, 1, k.fallback, k.explanation, k.routing,
       k.reserved_micros
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::boolean[], $8::bytea[],
            $9::bytea[], $10::bigint[])
  AS k (task_id, generation, decision_id, create_time, project, model, fallback, explanation, routing, reserved_micros)
