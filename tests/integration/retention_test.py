"""History: partitions are made ahead and dropped after their time, and what must stay is kept."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import datetime  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402

import stubs  # noqa: E402
from client import retried  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

DAY = 86400
STAGES = ("ready", "held", "running", "judging", "dead", "outcome")


class RetentionTest(StackTest):
    options = {"settings": {"retention": {"finished": "1d", "events": "1d", "partitions_ahead": "1d"}}}

    def sql(self, statement):
        return self.stack.postgres.sql(statement)

    def partitions(self, parent):
        return [row[0] for row in self.sql(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            f"WHERE i.inhparent = 'task_queue.{parent}'::regclass ORDER BY 1")]

    def day(self, offset):
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)
        return moment.strftime("%Y%m%d")

    def partition(self, parent, offset):
        # By the role of the services, to whom the others belong too.
        self.sql(f"SET ROLE switchyard; SELECT task_queue.make_partition('{parent}', (now() AT TIME ZONE 'utc')::date + ({offset}))")

    def back_date(self, task_id, days, finish_days=None):
        """Gives a task the id that it would have had some days ago, wherever it stands."""
        old = uuid.UUID(task_id)
        new = uuid.UUID(int=old.int - ((days * DAY * 1000) << 80))
        replaced = (f"overlay(carry PLACING '\\x{new.hex}'::bytea "
                    f"FROM position('\\x{old.hex}'::bytea IN carry))")
        statements = [f"UPDATE task_queue.task SET id = '{new}' WHERE id = '{old}'"]
        for stage in STAGES:
            found = f"WHERE id = '{old}' AND position('\\x{old.hex}'::bytea IN carry) > 0"
            finish = "" if stage != "outcome" else (
                f", finish_time = now() - interval '{days if finish_days is None else finish_days} days'")
            statements.append(f"UPDATE task_queue.{stage} SET id = '{new}', carry = {replaced}{finish} {found}")
        self.sql("BEGIN; " + "; ".join(statements) + "; COMMIT")
        return str(new)

    def restart(self):
        queue = self.stack.queues[0]
        self.assertEqual(queue.stop(), 0)
        queue.start()

    def test_old_history_is_dropped_and_what_lives_is_kept(self):
        for parent in ("task", "outcome", "event_log"):
            self.partition(parent, -4)
        agent, old = self.agent(), {}
        old["ready"] = self.submit("kept", title="still waits")
        old["held"] = self.submit()
        self.tasks.PauseQueue(target=stubs.queue.QueueTarget(task_id=old["held"]))
        old["running"] = self.submit()
        agent.take(old["running"])
        old["judging"] = self.submit(verdict_policy=stubs.spec.VERDICT_POLICY_REQUIRED)
        agent.finish(old["judging"], agent.take(old["judging"]))
        old["dead"] = self.submit()
        agent.fail(old["dead"], agent.take(old["dead"]), permanent=True)
        old["late"], old["done"] = self.submit(), self.submit()
        for name in ("late", "done"):
            agent.finish(old[name], agent.take(old[name]), summary=name)
        fresh = self.submit()
        with self.tasks.WatchTasks() as watch:
            watch.wait_for(lambda messages: messages, "a token")
        for name, task_id in old.items():
            # One of them finished only just now.
            old[name] = self.back_date(task_id, 4, finish_days=0 if name == "late" else None)
        self.assertEqual(self.get(old["ready"]).spec.title, "still waits")
        self.assertEqual(self.get(old["done"]).result.summary, "done")
        self.assertIn(f"task_p{self.day(-4)}", self.partitions("task"))

        self.restart()
        for parent in ("task", "outcome", "event_log"):
            wait_until(lambda parent=parent: f"{parent}_p{self.day(-4)}" not in self.partitions(parent),
                       "the partition to be dropped", timeout=30)
            self.assertFalse(self.sql(f"SELECT 1 FROM pg_class WHERE relname = '{parent}_p{self.day(-4)}'"))
        retried(lambda: self.fails("TASK_NOT_FOUND", self.tasks.GetTask, task_id=old["done"]))
        self.fails("TASK_NOT_FOUND", self.tasks.ListTaskEvents, task_id=old["done"])
        states = {name: self.state(task_id) for name, task_id in old.items() if name != "done"}
        self.assertEqual(states, {"ready": "QUEUED", "held": "QUEUED", "running": "RUNNING", "judging": "VERIFYING",
                                  "dead": "DEAD_LETTER", "late": "SUCCEEDED"})
        self.assertEqual(self.get(old["ready"]).spec.title, "still waits")
        self.assertEqual(self.get(old["late"]).result.summary, "late")
        self.assertEqual(self.state(fresh), "QUEUED")
        listed = {task.id for task in self.tasks.ListTasks(
            filter=stubs.queue.TaskFilter(projects=[self.project])).tasks}
        self.assertEqual(listed, {task_id for name, task_id in old.items() if name != "done"} | {fresh})

        # What was kept goes on to live, and what ends now is found too.
        self.scheduler().acquire()
        agent.open(held=[(old["running"], 1)])
        agent.expect(agent.finish(old["running"], 1, summary="at last"))
        self.assertEqual(self.get(old["running"]).result.summary, "at last")
        given = agent.assign(old["ready"])
        self.assertEqual((given.error.reason, list(given.spec.command.argv)), ("", ["kept"]))
        agent.expect(agent.finish(old["ready"], given.generation, summary="too"))
        self.assertEqual(self.get(old["ready"]).result.summary, "too")
        self.tasks.RetryTasks(selection=stubs.queue.TaskSelection(task_ids=[old["dead"]]))
        self.assertEqual(self.state(old["dead"]), "QUEUED")

    def test_partitions_are_made_ahead(self):
        for parent in ("task", "outcome", "event_log"):
            for offset in (-1, 0, 1):
                self.assertIn(f"{parent}_p{self.day(offset)}", self.partitions(parent))

    def test_a_reader_with_a_long_transaction_blocks_neither_new_partitions_nor_submissions(self):
        stop, slowest = threading.Event(), [0.0]

        def submit():
            while not stop.is_set():
                begin = time.monotonic()
                self.submit()
                slowest[0] = max(slowest[0], time.monotonic() - begin)
        with self.stack.postgres.session() as reader:
            reader.run("BEGIN")
            for parent in ("task", "outcome", "event_log"):
                reader.run(f"SELECT count(*) FROM task_queue.{parent}")
            thread = threading.Thread(target=submit)
            thread.start()
            try:
                other = self.stack.add_queue({"retention": {"partitions_ahead": "6d"}})
                for parent in ("task", "outcome", "event_log"):
                    wait_until(lambda parent=parent: f"{parent}_p{self.day(6)}" in self.partitions(parent),
                               "the partitions to be made", timeout=10)
            finally:
                stop.set()
                thread.join()
            reader.run("COMMIT")
        self.assertEqual(other.stop(), 0)
        self.assertLess(slowest[0], 3.0)

    def test_dropping_waits_for_a_reader_without_holding_up_anyone(self):
        for parent in ("task", "outcome"):
            self.partition(parent, -6)
        with self.stack.postgres.session() as reader:
            reader.run("BEGIN")
            reader.run("SELECT count(*) FROM task_queue.task")
            other = self.stack.add_queue()
            for _ in range(20):
                begin = time.monotonic()
                task_id = self.submit()
                self.get(task_id)
                self.assertLess(time.monotonic() - begin, 3.0)
                time.sleep(0.1)
            reader.run("COMMIT")
        for parent in ("task", "outcome"):
            wait_until(lambda parent=parent: not self.sql(
                f"SELECT 1 FROM pg_class WHERE relname = '{parent}_p{self.day(-6)}'"),
                "the partition to be dropped", timeout=40)
        self.assertEqual(other.stop(), 0)


if __name__ == "__main__":
    unittest.main()
