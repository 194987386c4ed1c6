SELECT task_queue.rotate_requests($1::timestamptz, $2::timestamptz)
