"""The database away, stalled, or not migrated: the process lives, says so, and comes back."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import threading  # noqa: E402
import time  # noqa: E402

import stubs  # noqa: E402
from agents import Agent, Scheduler, command  # noqa: E402
from client import CallError, Connection, in_threads, retried  # noqa: E402
from stack import Stack, StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

READY = "switchyard.ready"
LEASE = 3.0


class OutageTest(StackTest):
    options = {"durable": True, "settings": {"time": {"session_lease": "3s", "accept": "1h"}}}

    def setUp(self):
        super().setUp()
        self.health = Connection(self.stack.queues[0].address)
        self.addCleanup(self.health.close)
        self.addCleanup(self.bring_back)
        # The token is in the cache, and the test before has left nothing behind.
        wait_until(self.serves, "the task queue to serve", timeout=60)

    def serves(self):
        try:
            return bool(self.tasks.GetQueueStats())
        except CallError:
            return False

    def bring_back(self):
        self.stack.postgres.resume()
        if self.stack.postgres.process is None:
            self.stack.postgres.start()
        wait_until(lambda: self.health.serving(READY), "readiness to come back", timeout=30)
        wait_until(lambda: self.stack.identity.healthcheck(), "identity to be ready", timeout=30)

    def outages(self):
        yield "stalled", self.stack.postgres.stall
        yield "stopped", self.stack.postgres.stop_immediately

    def test_health_answers_and_readiness_flips_and_comes_back(self):
        for name, begin in self.outages():
            with self.subTest(outage=name):
                self.assertTrue(self.health.serving(READY))
                begin()
                wait_until(lambda: not self.health.serving(READY), "readiness to go", timeout=15)
                for _ in range(20):
                    self.assertTrue(self.health.serving("", timeout=2))
                self.assertTrue(self.stack.queues[0].healthcheck(""))
                self.assertFalse(self.stack.queues[0].healthcheck("ready"))
                self.bring_back()
                retried(lambda: self.submit(request_id=f"{self.project}-{name}"))

    def test_calls_are_told_to_try_again_and_never_wait_beyond_their_deadline(self):
        for name, begin in self.outages():
            with self.subTest(outage=name):
                begin()
                for call in (lambda: self.tasks.SubmitTask(spec=command(), timeout=4),
                             lambda: self.tasks.GetQueueStats(timeout=4),
                             lambda: self.tasks.ListTasks(timeout=4)):
                    with self.assertRaises(CallError) as caught:
                        call()
                    self.assertIn(caught.exception.code.name, ("UNAVAILABLE", "DEADLINE_EXCEEDED"))
                self.bring_back()
                retried(lambda: self.tasks.GetQueueStats())

    def test_reads_whose_callers_left_give_their_sessions_back(self):
        task_id = self.submit()
        self.stack.postgres.stall()

        def read(_):
            with self.assertRaises(CallError) as caught:
                self.tasks.GetTask(task_id=task_id, timeout=0.5)
            return caught.exception.code.name
        # Or told that no session became free in its time.
        self.assertLessEqual(set(in_threads(16, read)), {"DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED"})
        # A session's own time-out is ten seconds, and four of them read.
        wait_until(lambda: self.stack.queues[0].metrics()["switchyard_task_queue_read_sessions_in_use"] == 0,
                   "the sessions to be free", timeout=8)

    def test_a_task_submitted_under_a_request_id_during_an_outage_is_stored_once(self):
        self.stack.postgres.stop_immediately()
        answers = []

        def submit():
            answers.append(retried(lambda: self.tasks.SubmitTask(
                request_id=self.project, spec=command(project=self.project), timeout=5)))
        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        self.bring_back()
        for thread in threads:
            thread.join()
        self.assertEqual(len({answer.task_id for answer in answers}), 1)
        listed = self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project])).tasks
        self.assertEqual([task.id for task in listed], [answers[0].task_id])

    def test_watchers_live_through_an_outage_and_miss_nothing(self):
        for name, begin in self.outages():
            with self.subTest(outage=name), self.tasks.WatchTasks(projects=[self.project]) as stream:
                stream.wait_for(lambda messages: messages, "the first token")
                before = self.submit()
                begin()
                time.sleep(2)
                self.bring_back()
                after = retried(lambda: self.submit(request_id=f"{self.project}-{name}"))
                stream.wait_for(lambda messages: len([event for message in messages for event in message.events]) >= 2,
                                "both events", timeout=20)
                self.assertEqual([event.task_id for message in stream.messages for event in message.events],
                                 [before, after])

    def test_an_outage_longer_than_every_lease_gives_each_session_one_full_lease(self):
        for name, begin in self.outages():
            with self.subTest(outage=name):
                scheduler = Scheduler(self.ledger, "scheduler").acquire()
                agents = [Agent(self.ledger, scheduler) for _ in range(5)]
                held = []
                for agent in agents:
                    agent.open()
                    held.append(self.submit())
                    agent.take(held[-1])
                begin()
                time.sleep(LEASE + 2)
                self.bring_back()
                # Well within the lease that they have now.
                time.sleep(LEASE / 3)
                for agent in agents[:4]:
                    self.assertTrue(retried(agent.renew))
                for agent, task_id in zip(agents[:4], held):
                    agent.expect(agent.finish(task_id, 1))
                # Who does not come back in that time either is lost.
                self.await_state(held[4], "QUEUED", timeout=20)
                self.assertEqual(self.events(held[4])[-1], ("RETURNED", "AGENT_LOST"))
                scheduler.release()

    def test_a_process_that_starts_without_the_database_becomes_ready_with_it(self):
        self.stack.postgres.stop_immediately()
        process = self.stack.add_queue(ready=False)
        with Connection(process.address, self.stack.tokens["admin"]) as other:
            self.assertTrue(other.serving(""))
            time.sleep(1)
            self.assertFalse(other.serving(READY))
            self.bring_back()
            process.wait_ready()
            retried(lambda: other.tasks.SubmitTask(request_id=self.project, spec=command()))
        self.assertEqual(process.stop(), 0)

    def test_a_process_ends_in_bounded_time_while_the_database_is_stalled(self):
        process = self.stack.add_queue()
        self.stack.postgres.stall()
        time.sleep(1)
        # 1 when it gave up waiting for the database; drain_deadline and 15 s are its patience.
        self.assertIn(process.stop(60), (0, 1))
        self.stack.queues.remove(process)


class MigrationTest(StackTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(migrate=False, start=False)

    def test_readiness_waits_for_the_migration(self):
        with open(f"{self.stack.folder}/service.token", "w", encoding="utf-8") as file:
            file.write("sy_" + "A" * 43)
        os.chmod(file.name, 0o600)
        self.stack.identity.start(ready=False)
        queue = self.stack.add_queue(ready=False)
        for process in (self.stack.identity, queue):
            with Connection(process.address) as health:
                self.assertTrue(health.serving(""))
                time.sleep(1.5)
                self.assertFalse(health.serving(READY))
            self.assertFalse(process.healthcheck("ready"))
        self.assertEqual(self.stack.run("migrate", "--check").returncode, 1)
        self.stack.migrate()
        self.assertEqual(self.stack.run("migrate", "--check").returncode, 0)
        self.stack.migrate()
        for process in (self.stack.identity, queue):
            process.wait_ready(15)
        # And it goes on to work without a restart.
        os.unlink(file.name)
        self.stack.issue("service", "service")
        token = self.stack.issue("admin", "admin")

        def stored():
            with Connection(queue.address, token) as connection:
                return connection.tasks.SubmitTask(request_id="x", spec=command()).task_id
        self.assertTrue(retried(stored, timeout=30))
        self.assertEqual(self.stack.run("doctor").returncode, 0)


if __name__ == "__main__":
    unittest.main()
