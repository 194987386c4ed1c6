SELECT r.id, r.carry FROM task_queue.running r WHERE r.directive AND r.id > $1::uuid ORDER BY r.id LIMIT $2::bigint
