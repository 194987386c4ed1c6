SELECT connection FROM task_queue.session WHERE agent = $1::text
