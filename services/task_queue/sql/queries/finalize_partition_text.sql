SELECT format('ALTER TABLE task_queue.%I DETACH PARTITION task_queue.%I FINALIZE', $1::text, $2::text)
