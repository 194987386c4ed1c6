-- What finished late is found without reading a whole day: rows are appended as tasks finish, so a summary of each stretch
-- of pages does. Partitions made from now on have it; building it for those that stand would hold up writers.
CREATE INDEX outcome_finish ON ONLY task_queue.outcome USING brin (finish_time);

CREATE INDEX dead_model ON task_queue.dead (model);

-- Names the life of this database: another cluster, another branch of history after a failover or a recovery to a point in
-- time, or another database of the cluster, into which a dump was read.
CREATE FUNCTION task_queue.database_life() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                   left(pg_walfile_name(pg_current_wal_lsn()), 8),
                   (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;
ALTER TABLE task_queue.incarnation ADD COLUMN life text;
UPDATE task_queue.incarnation SET life = task_queue.database_life();

-- Empties the older slot and makes it the current one, if the current one began at or before `due`. Nobody claims
-- meanwhile: a request id must never be free in both. Takes no lock when it is not due, and gives up soon behind a reader,
-- since all who claim wait behind it.
CREATE OR REPLACE FUNCTION task_queue.rotate_requests(due timestamptz, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
  next_slot smallint;
BEGIN
  IF NOT EXISTS (SELECT FROM task_queue.request_slot WHERE since <= due) THEN
    RETURN false;
  END IF;
  LOCK TABLE task_queue.request_key IN ACCESS EXCLUSIVE MODE;
  SELECT (1 - current)::smallint INTO next_slot FROM task_queue.request_slot WHERE since <= due;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF next_slot = 0 THEN
    TRUNCATE task_queue.request_key_0;
  ELSE
    TRUNCATE task_queue.request_key_1;
  END IF;
  UPDATE task_queue.request_slot SET current = next_slot, since = moment;
  RETURN true;
END
$$;

-- Saves from a detached partition of outcomes the ends of pinned tasks: a batch that was under way when a task was pinned
-- could not see that, and wrote its end beside the others.
CREATE FUNCTION task_queue.pin_detached_outcomes(child text, day date) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  saved bigint;
BEGIN
  EXECUTE format(
    'INSERT INTO task_queue.outcome_pinned (id, state, finish_time, carry)
     SELECT o.id, o.state, o.finish_time, o.carry FROM task_queue.task_pinned t JOIN task_queue.%I o ON o.id = t.id
     WHERE t.id >= $1 AND t.id < $2 AND NOT EXISTS (SELECT FROM task_queue.outcome_pinned p WHERE p.id = t.id)
     ON CONFLICT (id) DO NOTHING', child)
  USING task_queue.lowest_id(day), task_queue.lowest_id(day + 1);
  GET DIAGNOSTICS saved = ROW_COUNT;
  RETURN saved;
END
$$;
