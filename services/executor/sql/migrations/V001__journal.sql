CREATE TABLE work (
  task_id    TEXT    NOT NULL,
  generation INTEGER NOT NULL,
  flags      INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  payload    BLOB    NOT NULL,
  PRIMARY KEY (task_id, generation)
) WITHOUT ROWID;

CREATE TABLE report (
  number     INTEGER PRIMARY KEY,
  task_id    TEXT    NOT NULL,
  generation INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  flags      INTEGER NOT NULL,
  phase      INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  message    TEXT    NOT NULL,
  result     BLOB    NOT NULL
);

CREATE INDEX report_by_task ON report (task_id, generation);

CREATE TABLE counter (
  name  TEXT    PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO counter (name, value) VALUES ('next_report', 1);
