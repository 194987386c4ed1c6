-- Limits that have passed, from the low-water mark on: all before it was swept already.
(SELECT id, due FROM task_queue.ready WHERE due > $1::timestamptz AND due <= $2::timestamptz ORDER BY due LIMIT $3::bigint)
UNION ALL
(SELECT id, due FROM task_queue.held WHERE due > $1::timestamptz AND due <= $2::timestamptz ORDER BY due LIMIT $3::bigint)
UNION ALL
(SELECT id, due FROM task_queue.running WHERE due > $1::timestamptz AND due <= $2::timestamptz ORDER BY due LIMIT $3::bigint)
UNION ALL
(SELECT id, due FROM task_queue.judging WHERE due > $1::timestamptz AND due <= $2::timestamptz ORDER BY due LIMIT $3::bigint)
