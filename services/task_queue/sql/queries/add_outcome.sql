-- An end goes where its specification lies: beside the pinned ones once the partition of its day is gone. The probe is a
-- subquery so that it stays one, whatever the tables hold.
WITH given AS MATERIALIZED (
  SELECT g.*, (SELECT true FROM task_queue.task_pinned p WHERE p.id = g.id) AS pinned
  FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::bytea[]) AS g(id, state, finish_time, carry)
), late AS (
  INSERT INTO task_queue.outcome_pinned (id, state, finish_time, carry)
  SELECT id, state, finish_time, carry FROM given WHERE pinned
)
INSERT INTO task_queue.outcome (id, state, finish_time, carry)
SELECT id, state, finish_time, carry FROM given WHERE pinned IS NULL
