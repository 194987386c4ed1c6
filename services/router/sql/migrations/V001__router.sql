-- Caps on what may be spent.
CREATE TABLE router.budget (
  name text COLLATE "C" PRIMARY KEY,
  -- Another one once it counts something else: what was counted before stays with the former id.
  budget_id uuid NOT NULL UNIQUE,
  -- Empty: any. So are the next two.
  project text COLLATE "C" NOT NULL,
  provider text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  period smallint NOT NULL CHECK (period BETWEEN 1 AND 4),
  limit_micros bigint NOT NULL CHECK (limit_micros >= 0),
  policy smallint NOT NULL CHECK (policy BETWEEN 1 AND 3),
  warn_percent smallint NOT NULL CHECK (warn_percent BETWEEN 1 AND 100),
  set_time timestamptz NOT NULL,
  set_by text NOT NULL
);

-- What was spent in one period of a budget, and what is held for assignments by their upper estimates. Rows are locked in
-- the order of the key, by everyone.
CREATE TABLE router.budget_period (
  budget_id uuid NOT NULL,
  period_start timestamptz NOT NULL,
  spent_micros bigint NOT NULL DEFAULT 0 CHECK (spent_micros >= 0),
  held_micros bigint NOT NULL DEFAULT 0 CHECK (held_micros >= 0),
  warned boolean NOT NULL DEFAULT false,
  PRIMARY KEY (budget_id, period_start)
);

-- Reservations for assignments that are about to be made or run.
CREATE TABLE router.hold (
  task_id uuid NOT NULL,
  generation bigint NOT NULL CHECK (generation > 0),
  decision_id uuid NOT NULL,
  -- Names the partition of its decision.
  decision_time timestamptz NOT NULL,
  -- Empty: no model is involved.
  endpoint_id text NOT NULL,
  model text NOT NULL,
  micros bigint NOT NULL CHECK (micros >= 0),
  -- switchyard.router.v1.Routing.
  routing bytea NOT NULL,
  -- Whether the endpoint's capacity is known to be held too.
  confirmed boolean NOT NULL,
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (task_id, generation)
);
CREATE INDEX hold_expire ON router.hold (expire_time);

-- The periods that a reservation counts in. Kept for a while after it ended by itself: its cost may become known.
CREATE TABLE router.charge (
  task_id uuid NOT NULL,
  generation bigint NOT NULL,
  budget_id uuid NOT NULL,
  period_start timestamptz NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (task_id, generation, budget_id)
);
CREATE INDEX charge_time ON router.charge (create_time);

-- Every reservation and what came of it, in daily partitions.
CREATE TABLE router.decision (
  task_id uuid NOT NULL,
  generation bigint NOT NULL,
  decision_id uuid NOT NULL,
  create_time timestamptz NOT NULL,
  project text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  -- switchyard.router.v1.DecisionState.
  state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
  fallback boolean NOT NULL,
  mismatch boolean NOT NULL DEFAULT false,
  -- switchyard.router.v1.Explanation and Routing; switchyard.task_queue.v1.Usage.
  explanation bytea NOT NULL,
  routing bytea NOT NULL,
  usage bytea,
  -- switchyard.task_queue.v1.AttemptOutcome; 0: not known.
  outcome smallint NOT NULL DEFAULT 0,
  reserved_micros bigint NOT NULL,
  settled_micros bigint NOT NULL DEFAULT 0,
  settle_time timestamptz,
  PRIMARY KEY (task_id, generation, decision_id, create_time)
) PARTITION BY RANGE (create_time);
CREATE INDEX decision_time ON router.decision (create_time, decision_id);
CREATE INDEX decision_project ON router.decision (project, create_time, decision_id);

-- Makes one daily partition of decision and attaches it, unless it is there. Attaching, unlike PARTITION OF, lets readers
-- and writers of the parent go on.
CREATE FUNCTION router.make_decision_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  child text := 'decision_p' || to_char(day, 'YYYYMMDD');
BEGIN
  IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('router.' || child)) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('switchyard.router.partition', 0));
  IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('router.' || child)) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE IF NOT EXISTS router.%I (LIKE router.decision INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                 child);
  EXECUTE format('ALTER TABLE router.decision ATTACH PARTITION router.%I FOR VALUES FROM (%L) TO (%L)',
                 child, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
  RETURN true;
END
$$;
