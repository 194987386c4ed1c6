DELETE FROM router.decision AS d
USING unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[]) AS k (task_id, generation, decision_id, create_time)
WHERE (d.task_id, d.generation, d.decision_id, d.create_time) = (k.task_id, k.generation, k.decision_id, k.create_time)
