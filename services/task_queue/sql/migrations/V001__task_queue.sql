-- Life stages, not a state column: a task's row is in exactly one of ready, held, running, judging, dead and outcome.
-- Moving on is a delete and an insert in one transaction, so the hot tables hold only live rows. `carry` is the record
-- with its history; columns beside it are only what is compared or searched.

-- The specification, written once. Partitioned by id: a UUIDv7 is ordered by time, so a lookup prunes.
CREATE TABLE task_queue.task (
  id uuid NOT NULL PRIMARY KEY,
  lane smallint NOT NULL,
  project text COLLATE "C" NOT NULL,
  task_type text COLLATE "C" NOT NULL,
  principal text COLLATE "C" NOT NULL,
  title text NOT NULL,
  traceparent text COLLATE "C" NOT NULL,
  spec bytea NOT NULL
) PARTITION BY RANGE (id);

-- Specifications of tasks that outlive their partition: still queued, running, in the dead letter, or finished late.
CREATE TABLE task_queue.task_pinned (LIKE task_queue.task INCLUDING ALL);

-- What can be assigned. The key is the order in which it is offered within a shard.
CREATE TABLE task_queue.ready (
  shard smallint NOT NULL,
  rank smallint NOT NULL,
  id uuid NOT NULL,
  generation bigint NOT NULL,
  revision bigint NOT NULL,
  due timestamptz,
  carry bytea NOT NULL,
  PRIMARY KEY (shard, rank, id)
);
CREATE INDEX ready_due ON task_queue.ready (due) WHERE due IS NOT NULL;

-- What waits for something.
CREATE TABLE task_queue.held (
  id uuid NOT NULL PRIMARY KEY,
  generation bigint NOT NULL,
  revision bigint NOT NULL,
  due timestamptz,
  carry bytea NOT NULL
);
CREATE INDEX held_due ON task_queue.held (due) WHERE due IS NOT NULL;

-- What an agent owns. `directive`: the agent must be told something.
CREATE TABLE task_queue.running (
  id uuid NOT NULL PRIMARY KEY,
  generation bigint NOT NULL,
  revision bigint NOT NULL,
  due timestamptz,
  agent text COLLATE "C" NOT NULL,
  directive boolean NOT NULL,
  carry bytea NOT NULL
);
CREATE INDEX running_due ON task_queue.running (due);
CREATE INDEX running_agent ON task_queue.running (agent);
CREATE INDEX running_directive ON task_queue.running (id) WHERE directive;

-- Evidence is in, a verdict is awaited, nobody owns it.
CREATE TABLE task_queue.judging (
  id uuid NOT NULL PRIMARY KEY,
  generation bigint NOT NULL,
  revision bigint NOT NULL,
  due timestamptz,
  carry bytea NOT NULL
);
CREATE INDEX judging_due ON task_queue.judging (due) WHERE due IS NOT NULL;

-- Given up, waiting for a person.
CREATE TABLE task_queue.dead (
  id uuid NOT NULL PRIMARY KEY,
  generation bigint NOT NULL,
  revision bigint NOT NULL,
  model text COLLATE "C" NOT NULL,
  carry bytea NOT NULL
);

-- How it ended; append-only, dropped by partition.
CREATE TABLE task_queue.outcome (
  id uuid NOT NULL PRIMARY KEY,
  state smallint NOT NULL,
  finish_time timestamptz NOT NULL,
  carry bytea NOT NULL
) PARTITION BY RANGE (id);

-- Ends of tasks that outlived their partition.
CREATE TABLE task_queue.outcome_pinned (LIKE task_queue.outcome INCLUDING ALL);

-- One row a batch: what watchers are told. Sequence numbers commit out of order, so readers go by (xid, seq) below the
-- oldest transaction that still runs.
CREATE TABLE task_queue.event_log (
  xid xid8 NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  create_time timestamptz NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (xid, seq, create_time)
) PARTITION BY RANGE (create_time);

-- Positions at or before this one are no longer stored.
CREATE TABLE task_queue.event_horizon (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  xid xid8 NOT NULL,
  seq bigint NOT NULL
);
INSERT INTO task_queue.event_horizon (xid, seq) VALUES ('0', 0);

-- The database's life: after a restore elsewhere, transaction ids begin anew and old positions mean nothing.
CREATE TABLE task_queue.incarnation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  id uuid NOT NULL,
  system_identifier text NOT NULL
);

-- Request ids in two tables in rotation: new ones go to the current slot, both are checked, the older is emptied whole.
CREATE TABLE task_queue.request_key (
  slot smallint NOT NULL,
  key bytea NOT NULL,
  content bytea NOT NULL,
  task uuid NOT NULL,
  PRIMARY KEY (slot, key)
) PARTITION BY LIST (slot);
CREATE TABLE task_queue.request_key_0 PARTITION OF task_queue.request_key FOR VALUES IN (0);
CREATE TABLE task_queue.request_key_1 PARTITION OF task_queue.request_key FOR VALUES IN (1);
CREATE TABLE task_queue.request_slot (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  current smallint NOT NULL,
  since timestamptz NOT NULL
);
INSERT INTO task_queue.request_slot (current, since) VALUES (0, 'epoch');

-- One lease an agent. Epochs only grow, so the row stays when the session ends (expire_time null).
CREATE TABLE task_queue.session (
  agent text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL,
  hub text COLLATE "C" NOT NULL,
  expire_time timestamptz
);
CREATE INDEX session_expire ON task_queue.session (expire_time) WHERE expire_time IS NOT NULL;

CREATE TABLE task_queue.shard (
  shard smallint PRIMARY KEY,
  epoch bigint NOT NULL,
  owner text COLLATE "C",
  expire_time timestamptz
);
INSERT INTO task_queue.shard (shard, epoch) SELECT n, 0 FROM generate_series(0, 15) AS n;

CREATE TABLE task_queue.pause (
  kind smallint NOT NULL,
  key text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  principal text NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (kind, key)
);

-- How many rows each stage gained or lost, a few rows a batch, insert-only and compacted aside: a counter that every
-- batch updates would be the bottleneck.
CREATE TABLE task_queue.stage_delta (
  lane smallint NOT NULL,
  stage smallint NOT NULL,
  delta bigint NOT NULL
);

-- Live tables see every row come and go: vacuum early and in small bites.
ALTER TABLE task_queue.ready SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.5, autovacuum_analyze_scale_factor = 1, autovacuum_vacuum_cost_delay = 2);
ALTER TABLE task_queue.running SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.1,
  autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 1, autovacuum_vacuum_cost_delay = 2);
ALTER TABLE task_queue.session SET (fillfactor = 50);
ALTER TABLE task_queue.shard SET (fillfactor = 10);

-- The lowest version 7 id of a moment: partition bounds.
CREATE FUNCTION task_queue.lowest_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- Makes one daily partition of `parent` and attaches it, unless it is there. Attaching, unlike PARTITION OF, lets readers
-- and writers of the parent go on.
CREATE FUNCTION task_queue.make_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  child text := parent || '_p' || to_char(day, 'YYYYMMDD');
  low timestamptz := day::timestamp AT TIME ZONE 'UTC';
  high timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  IF to_regclass('task_queue.' || child) IS NOT NULL AND EXISTS (
    SELECT FROM pg_inherits WHERE inhrelid = to_regclass('task_queue.' || child)) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE IF NOT EXISTS task_queue.%I (LIKE task_queue.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                 child, parent);
  IF parent = 'event_log' THEN
    EXECUTE format('ALTER TABLE task_queue.%I ATTACH PARTITION task_queue.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, child, low, high);
  ELSE
    EXECUTE format('ALTER TABLE task_queue.%I ATTACH PARTITION task_queue.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, child, task_queue.lowest_id(low), task_queue.lowest_id(high));
  END IF;
  RETURN true;
END
$$;

-- Empties the older slot and makes it the current one, if the current one began at or before `due`. Nobody claims
-- meanwhile: a request id must never be free in both.
CREATE FUNCTION task_queue.rotate_requests(due timestamptz, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  next_slot smallint;
BEGIN
  LOCK TABLE task_queue.request_key IN ACCESS EXCLUSIVE MODE;
  SELECT (1 - current)::smallint INTO next_slot FROM task_queue.request_slot WHERE since <= due;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF next_slot = 0 THEN
    TRUNCATE task_queue.request_key_0;
  ELSE
    TRUNCATE task_queue.request_key_1;
  END IF;
  UPDATE task_queue.request_slot SET current = next_slot, since = moment;
  RETURN true;
END
$$;
