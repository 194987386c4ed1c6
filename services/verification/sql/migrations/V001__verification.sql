-- Reports of checks and what was made of them, one for each assignment that was judged.
CREATE TABLE verification.record (
  task_id uuid NOT NULL,
  generation bigint NOT NULL CHECK (generation > 0),
  -- 1 judging, 2 decided, 3 concluded, 4 superseded; as switchyard.verification.v1.VerificationState.
  state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
  -- switchyard.task_queue.v1.Verdict; 0 while a judge is at work.
  verdict smallint NOT NULL CHECK (verdict BETWEEN 0 AND 3),
  reason text NOT NULL,
  permanent boolean NOT NULL,
  create_time timestamptz NOT NULL,
  decide_time timestamptz,
  project text COLLATE "C" NOT NULL,
  -- The author's, as reported; empty: none. So is the judge's.
  model text COLLATE "C" NOT NULL,
  -- switchyard.model_registry.v1.ModelTier.
  tier smallint NOT NULL,
  cost_micros bigint NOT NULL,
  cost_unknown boolean NOT NULL,
  -- switchyard.verification.v1.JudgeState.
  judge_state smallint NOT NULL CHECK (judge_state BETWEEN 1 AND 6),
  judge_model text COLLATE "C" NOT NULL,
  judge_confidence double precision NOT NULL,
  same_family boolean NOT NULL,
  judge_task uuid,
  judge_due timestamptz NOT NULL,
  -- It brought a pull request of which nobody at its forge said yet what became of it.
  watched boolean NOT NULL,
  -- Serialised: Verification without its report and outcomes, Policy that it is decided by, TaskSpec as far as the rules look
  -- at it, CheckReport as it came.
  body bytea NOT NULL,
  policy bytea NOT NULL,
  spec bytea NOT NULL,
  report bytea NOT NULL,
  -- Of what is not finished: when it is looked at again.
  look_after timestamptz NOT NULL,
  PRIMARY KEY (task_id, generation),
  CHECK ((state = 1) = (decide_time IS NULL))
) WITH (fillfactor = 90);
CREATE INDEX record_unfinished ON verification.record (look_after, task_id, generation) WHERE state IN (1, 2);
CREATE INDEX record_time ON verification.record (create_time, task_id, generation);
CREATE INDEX record_project ON verification.record (project, create_time, task_id, generation);
CREATE INDEX record_watched ON verification.record (task_id, generation) WHERE watched;

-- What became of the work afterwards.
CREATE TABLE verification.mark (
  task_id uuid NOT NULL,
  -- switchyard.verification.v1.OutcomeKind.
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 5),
  source text COLLATE "C" NOT NULL,
  note text NOT NULL,
  time timestamptz NOT NULL,
  PRIMARY KEY (task_id, kind, source)
);

CREATE TABLE verification.policy (
  -- Empty: every project.
  project text COLLATE "C" NOT NULL,
  -- 0: every tier.
  tier smallint NOT NULL,
  version bigint NOT NULL,
  update_time timestamptz NOT NULL,
  update_by text NOT NULL,
  -- switchyard.verification.v1.Policy.
  body bytea NOT NULL,
  PRIMARY KEY (project, tier)
);
CREATE SEQUENCE verification.policy_version;
