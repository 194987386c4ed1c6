INSERT INTO router.hold (task_id, generation, decision_id, decision_time, endpoint_id, model, micros, routing, confirmed,
                         expire_time, agent)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::bigint[],
                     $8::bytea[], $9::boolean[], $10::timestamptz[], $11::text[])
ON CONFLICT (task_id, generation) DO UPDATE
SET decision_id = excluded.decision_id, decision_time = excluded.decision_time, endpoint_id = excluded.endpoint_id,
    model = excluded.model, micros = excluded.micros, routing = excluded.routing, confirmed = excluded.confirmed,
    expire_time = excluded.expire_time, claim_until = excluded.claim_until, agent = excluded.agent
