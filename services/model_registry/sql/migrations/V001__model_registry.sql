-- Raised with every change of what is configured: how replicas learn of it.
CREATE TABLE model_registry.configuration (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  revision bigint NOT NULL
);
INSERT INTO model_registry.configuration (revision) VALUES (0);

-- Endpoints that were added by the API. Credentials are references, never secrets.
CREATE TABLE model_registry.endpoint (
  endpoint_id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  -- switchyard.model_registry.v1.EndpointSpec.
  spec bytea NOT NULL,
  create_time timestamptz NOT NULL,
  update_time timestamptz NOT NULL,
  created_by text NOT NULL,
  revision bigint NOT NULL CHECK (revision > 0),
  requester text NOT NULL,
  request_id text NOT NULL,
  content_hash bytea NOT NULL
);
CREATE UNIQUE INDEX endpoint_request ON model_registry.endpoint (requester, request_id) WHERE request_id <> '';

-- Models that are not to be chosen.
CREATE TABLE model_registry.disabled_model (
  -- Nil: everywhere. Not a reference: endpoints of files have no row.
  endpoint_id uuid NOT NULL,
  model text COLLATE "C" NOT NULL,
  disable_time timestamptz NOT NULL,
  disabled_by text NOT NULL,
  PRIMARY KEY (endpoint_id, model)
);

-- Entries of the price and context table that were set by the API; they stand before those of the file.
CREATE TABLE model_registry.model (
  model text COLLATE "C" PRIMARY KEY,
  -- switchyard.model_registry.v1.Model.
  spec bytea NOT NULL,
  set_time timestamptz NOT NULL,
  set_by text NOT NULL
);

-- Capacity held for assignments.
CREATE TABLE model_registry.reservation (
  endpoint_id uuid NOT NULL,
  task_id uuid NOT NULL,
  generation bigint NOT NULL,
  model text NOT NULL,
  urgent boolean NOT NULL,
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (endpoint_id, task_id, generation)
);
CREATE INDEX reservation_expire ON model_registry.reservation (expire_time);

-- Who sends the live probe of an endpoint whose breaker is open: one among all replicas.
CREATE TABLE model_registry.probe_claim (
  endpoint_id uuid PRIMARY KEY,
  until_time timestamptz NOT NULL
);
