SELECT task_queue.make_partition($1::text, $2::date)
