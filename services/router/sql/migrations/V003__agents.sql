-- Whom it was reserved for: nobody else settles it. Empty: not known.
ALTER TABLE router.hold ADD COLUMN agent text NOT NULL DEFAULT '';
