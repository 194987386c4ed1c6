-- One replica has a reservation to itself until then, to find out what became of it.
ALTER TABLE router.hold ADD COLUMN claim_until timestamptz NOT NULL DEFAULT '-infinity';
