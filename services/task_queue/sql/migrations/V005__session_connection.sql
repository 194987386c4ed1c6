-- The largest number of a connection of the agent that had a session: a smaller one opens none any more.
ALTER TABLE task_queue.session ADD COLUMN connection bigint NOT NULL DEFAULT 0;
