SELECT task_queue.pin_detached_outcomes($1::text, $2::date)
