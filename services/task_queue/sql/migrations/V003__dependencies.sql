-- Who waits for whom, as long as that may matter: written with the one that waits, gone as soon as the other's end is taken
-- note of or the wait is over. The whole list with its rules is in the record.
CREATE TABLE task_queue.dependency (
  task uuid NOT NULL,
  awaited uuid NOT NULL,
  PRIMARY KEY (task, awaited)
);
CREATE INDEX dependency_awaited ON task_queue.dependency (awaited, task);
