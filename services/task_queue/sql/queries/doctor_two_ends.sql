-- While a day is dropped its late ends stand in both tables, as the same row.
SELECT p.id::text || ' ended as ' || p.state || ' and as ' || o.state
FROM task_queue.outcome_pinned p JOIN task_queue.outcome o ON o.id = p.id
WHERE (p.state, p.finish_time, p.carry) IS DISTINCT FROM (o.state, o.finish_time, o.carry)
LIMIT 100
