SELECT format('DROP TABLE task_queue.%I', $1::text)
