-- Assigns the id at once: every batch writes, and must know its id before its commit can be lost.
SELECT pg_current_xact_id()
