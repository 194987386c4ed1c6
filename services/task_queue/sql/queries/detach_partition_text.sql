SELECT format('ALTER TABLE task_queue.%I DETACH PARTITION task_queue.%I CONCURRENTLY', $1::text, $2::text)
