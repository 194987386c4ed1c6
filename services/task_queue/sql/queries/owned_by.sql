SELECT r.id, r.carry FROM task_queue.running r WHERE r.agent = ANY ($1::text[]) ORDER BY r.agent, r.id
