-- Bearer tokens. Texts are never kept, only their SHA-256. Rows stay for ever: they are few, and the history refers to them.
CREATE TABLE identity.token (
  token_id uuid PRIMARY KEY,
  -- The first token of a chain of rotations.
  principal_id uuid NOT NULL,
  token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  name text NOT NULL,
  -- Bit n stands for the scope of number n in the contract.
  scopes integer NOT NULL CHECK (scopes > 0),
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  revoke_time timestamptz,
  revoke_reason text NOT NULL DEFAULT '',
  last_used_time timestamptz,
  created_by text NOT NULL,
  rotated_from uuid REFERENCES identity.token (token_id),
  requester text NOT NULL,
  request_id text NOT NULL,
  content_hash bytea NOT NULL
);

CREATE UNIQUE INDEX token_request ON identity.token (requester, request_id) WHERE request_id <> '';
