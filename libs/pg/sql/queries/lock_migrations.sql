-- One lock for the database, whatever the schema: migrations of several services never wait for each other's locks.
SELECT pg_advisory_lock(7235419120081125)
