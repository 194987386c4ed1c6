-- Each to one replica, until its claim ends.
UPDATE router.hold AS h
SET claim_until = $3
FROM (SELECT task_id, generation FROM router.hold WHERE expire_time <= $1 AND claim_until <= $2 ORDER BY expire_time LIMIT $4
      FOR UPDATE SKIP LOCKED) AS k
WHERE (h.task_id, h.generation) = (k.task_id, k.generation)
RETURNING h.task_id, h.generation, h.decision_id, h.decision_time, h.endpoint_id, h.model, h.micros, h.routing, h.confirmed,
          h.expire_time, h.agent
