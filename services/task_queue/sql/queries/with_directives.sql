SELECT r.id, r.carry FROM task_queue.running r WHERE r.directive ORDER BY r.id LIMIT $1::bigint
