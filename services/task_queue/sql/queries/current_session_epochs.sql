SELECT agent, epoch FROM task_queue.session WHERE agent = ANY ($1::text[]) AND expire_time IS NOT NULL
