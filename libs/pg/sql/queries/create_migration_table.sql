CREATE TABLE IF NOT EXISTS {schema}.schema_migration (
  version integer PRIMARY KEY,
  name text NOT NULL,
  checksum text NOT NULL,
  apply_time timestamptz NOT NULL
)
