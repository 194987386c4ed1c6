-- Agents as the installation knows them. What a hub sees is written in batches some seconds behind; what a person did is
-- written at once, and `touch_time` tells hubs of it.
CREATE TABLE agent_hub.agent (
  agent_id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  -- "key=value".
  labels text[] NOT NULL,
  enroll_time timestamptz NOT NULL,
  touch_time timestamptz NOT NULL,

  state smallint NOT NULL,
  state_time timestamptz NOT NULL,
  state_cause text NOT NULL,
  hub text COLLATE "C" NOT NULL DEFAULT '',
  peer text NOT NULL DEFAULT '',
  session_epoch bigint NOT NULL DEFAULT 0,
  last_connect_time timestamptz,
  last_heartbeat_time timestamptz,
  held_tasks integer NOT NULL DEFAULT 0,
  unavailable_reason text NOT NULL DEFAULT '',
  capabilities text[] COLLATE "C" NOT NULL DEFAULT '{}',
  said bytea NOT NULL DEFAULT '',

  probe_state smallint NOT NULL DEFAULT 1,
  probe_message text NOT NULL DEFAULT '',
  probe_time timestamptz,

  failures_in_row integer NOT NULL DEFAULT 0,
  last_failure text NOT NULL DEFAULT '',
  breaker_open_time timestamptz,
  breaker_open_until timestamptz,

  violations integer NOT NULL DEFAULT 0,
  last_violation text NOT NULL DEFAULT '',
  last_violation_time timestamptz,
  penalty_until timestamptz,

  drain_reason text NOT NULL DEFAULT '',
  drain_by text NOT NULL DEFAULT '',
  drain_time timestamptz,
  quarantine_reason text NOT NULL DEFAULT '',
  quarantine_by text NOT NULL DEFAULT '',
  quarantine_time timestamptz,

  token_expire_time timestamptz,
  revoked boolean NOT NULL DEFAULT false,
  -- Kept for a while after its removal, so that every hub learns of it.
  remove_time timestamptz
);
CREATE UNIQUE INDEX agent_name ON agent_hub.agent (name) WHERE remove_time IS NULL;
CREATE INDEX agent_touch ON agent_hub.agent (touch_time);
ALTER TABLE agent_hub.agent SET (fillfactor = 50);

-- The last changes of each agent's state; a batch that is written twice leaves one row each.
CREATE TABLE agent_hub.transition (
  agent_id uuid NOT NULL REFERENCES agent_hub.agent (agent_id) ON DELETE CASCADE,
  time timestamptz NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  from_state smallint NOT NULL,
  to_state smallint NOT NULL,
  cause text NOT NULL,
  hub text NOT NULL,
  PRIMARY KEY (agent_id, time, from_state, to_state)
);

-- One-time permissions to join. Tokens are never kept, only their SHA-256.
CREATE TABLE agent_hub.enrollment (
  enrollment_id uuid PRIMARY KEY,
  agent_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  labels text[] NOT NULL,
  token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  created_by text NOT NULL,
  -- In microseconds; null: as the identity service has it.
  token_lifetime bigint,
  redeem_time timestamptz,
  redeem_hash bytea NOT NULL DEFAULT '',
  host_name text NOT NULL DEFAULT '',
  revoke_time timestamptz
);
CREATE INDEX enrollment_expire ON agent_hub.enrollment (expire_time);

-- What tasks printed, in daily partitions by the time of arrival.
CREATE TABLE agent_hub.log_chunk (
  task_id uuid NOT NULL,
  generation bigint NOT NULL,
  sequence bigint NOT NULL,
  arrive_time timestamptz NOT NULL,
  read_time timestamptz NOT NULL,
  stream smallint NOT NULL,
  last boolean NOT NULL,
  -- Bytes that the executor left out just before.
  omitted bigint NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (task_id, generation, sequence, arrive_time)
) PARTITION BY RANGE (arrive_time);

-- How much is kept of each generation: chunks up to head_sequence are its head, from tail_sequence on its tail.
CREATE TABLE agent_hub.log_tally (
  task_id uuid NOT NULL,
  generation bigint NOT NULL,
  last_sequence bigint NOT NULL DEFAULT 0,
  head_sequence bigint NOT NULL DEFAULT 0,
  head_bytes bigint NOT NULL DEFAULT 0,
  tail_sequence bigint NOT NULL DEFAULT 0,
  tail_bytes bigint NOT NULL DEFAULT 0,
  cut_bytes bigint NOT NULL DEFAULT 0,
  last_time timestamptz NOT NULL,
  PRIMARY KEY (task_id, generation)
);
CREATE INDEX log_tally_time ON agent_hub.log_tally (last_time);

-- Makes one daily partition of log_chunk and attaches it, unless it is there. Attaching, unlike PARTITION OF, lets readers
-- and writers of the parent go on.
CREATE FUNCTION agent_hub.make_log_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  child text := 'log_chunk_p' || to_char(day, 'YYYYMMDD');
BEGIN
  IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('agent_hub.' || child)) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('switchyard.agent_hub.partition', 0));
  IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('agent_hub.' || child)) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE IF NOT EXISTS agent_hub.%I (LIKE agent_hub.log_chunk INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                 child);
  EXECUTE format('ALTER TABLE agent_hub.log_chunk ATTACH PARTITION agent_hub.%I FOR VALUES FROM (%L) TO (%L)',
                 child, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
  RETURN true;
END
$$;
