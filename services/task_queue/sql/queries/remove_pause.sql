DELETE FROM task_queue.pause WHERE kind = $1::smallint AND key = $2::text RETURNING key
