"""Tasks that wait for other tasks, and tasks that go on where others left off; and the feed of what awaits a verdict."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import Agent, command  # noqa: E402
from client import CallError, in_threads  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

spec, task, ledger = stubs.spec, stubs.task, stubs.ledger
NEVER = "01900000-0000-7000-8000-000000000000"
REQUIRED = {"verdict_policy": spec.VERDICT_POLICY_REQUIRED}


def on(*ids):
    return [spec.Dependency(task_id=task_id) for task_id in ids]


class TwoReplicasTest(StackTest):
    options = {"replicas": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.queues = [cls.tasks, cls.stack.connect("admin", replica=1).tasks]
        cls.ledgers = [cls.ledger, cls.stack.connect("service", replica=1).ledger]

    def agent_at(self, replica, name=None, held=()):
        agent = Agent(self.ledgers[replica], self.scheduler(), name)
        agent.open(held=held)
        return agent


class DependenciesTest(TwoReplicasTest):

    def succeed(self, task_id, agent=None):
        agent = agent or self.agent()
        agent.expect(agent.finish(task_id, agent.take(task_id)))

    def fail(self, task_id, agent=None):
        agent = agent or self.agent()
        generation = agent.take(task_id)
        agent.expect(agent.fail(task_id, generation, permanent=True))

    def is_ready(self, task_id):
        return (self.state(task_id), self.hold(task_id)) == ("QUEUED", "NONE")

    def await_ready(self, task_id, timeout=5.0):
        wait_until(lambda: self.is_ready(task_id), f"{task_id} to be ready", timeout)

    def test_a_task_waits_until_all_that_it_depends_on_have_succeeded(self):
        one, two = self.submit(), self.submit()
        waiting = self.submit(dependencies=on(one, two))
        self.assertEqual((self.state(waiting), self.hold(waiting)), ("QUEUED", "DEPENDENCY"))
        self.refused(self.agent().assign(waiting), "TASK_NOT_READY")
        described = self.ledger.DescribeTask(task_id=waiting)
        self.assertEqual(set(described.awaited_task_ids), {one, two})
        self.succeed(one)
        wait_until(lambda: list(self.ledger.DescribeTask(task_id=waiting).awaited_task_ids) == [two], "one of two")
        self.assertEqual(self.hold(waiting), "DEPENDENCY")
        self.succeed(two)
        self.await_ready(waiting)
        self.assertEqual(self.events(waiting), [("SUBMITTED", "DEPENDENCY"), ("HELD", "DEPENDENCY_ENDED"),
                                                ("READY", "DEPENDENCY_ENDED")])
        self.succeed(waiting)

    def test_a_failure_is_passed_on_as_asked(self):
        def waiting(**fields):
            return self.submit(dependencies=on(doomed), **fields)
        doomed = self.submit()
        failing, cancelled = waiting(), waiting(on_dependency_failure=spec.ON_DEPENDENCY_FAILURE_CANCEL)
        running = waiting(on_dependency_failure=spec.ON_DEPENDENCY_FAILURE_RUN)
        behind = self.submit(dependencies=on(failing))
        self.fail(doomed)
        self.assertEqual(self.await_state(failing, "DEAD_LETTER").failure.reason, "DEPENDENCY_FAILED")
        self.await_state(cancelled, "CANCELLED")
        self.await_ready(running)
        self.await_state(behind, "DEAD_LETTER")
        self.assertEqual(self.events(cancelled)[-1], ("FINISHED", "DEPENDENCY_FAILED"))
        self.tasks.RetryTasks(selection=stubs.queue.TaskSelection(task_ids=[failing]))
        self.await_ready(failing)

    def test_any_of_several_is_enough(self):
        one, two = self.submit(), self.submit()
        waiting = self.submit(dependencies=on(one, two), dependency_rule=spec.DEPENDENCY_RULE_ANY)
        self.fail(one)
        self.succeed(two)
        self.await_ready(waiting)

    def test_an_optional_one_is_not_waited_for_beyond_its_deadline(self):
        slow = self.submit()
        deadline = int(time.time()) + 2
        waiting = self.submit(dependencies=[
            spec.Dependency(task_id=slow, optional=True, deadline={"seconds": deadline})])
        self.assertEqual(self.hold(waiting), "DEPENDENCY")
        self.assertEqual(self.get(waiting).hold_until.seconds, deadline)
        self.await_ready(waiting, timeout=15)

    def test_what_has_ended_counts_at_once(self):
        good, bad = self.submit(), self.submit()
        self.succeed(good)
        self.fail(bad)
        self.assertTrue(self.is_ready(self.submit(dependencies=on(good))))
        self.assertEqual(self.state(self.submit(dependencies=on(good, bad))), "DEAD_LETTER")
        self.assertTrue(self.is_ready(self.submit(continues_task_id=bad)))

    def test_only_stored_tasks_can_be_named(self):
        known = self.submit()
        failure = self.fails("DEPENDENCY_NOT_FOUND", self.tasks.SubmitTask, code="NOT_FOUND",
                             spec=command(dependencies=on(known, NEVER)))
        self.assertEqual(failure.fields, ["spec.dependencies[1].task_id"])
        results = self.tasks.SubmitTasks(tasks=[
            stubs.queue.SubmitTaskRequest(spec=command(project=self.project, continues_task_id=NEVER)),
            stubs.queue.SubmitTaskRequest(spec=command(project=self.project, dependencies=on(known)))]).results
        self.assertEqual([result.error.reason for result in results], ["DEPENDENCY_NOT_FOUND", ""])

    def test_the_end_at_one_replica_frees_what_was_submitted_at_the_other(self):
        for first, second in ((0, 1), (1, 0)):
            with self.subTest(submitted_at=first):
                before = self.queues[first].SubmitTask(spec=command(project=self.project)).task_id
                waiting = self.queues[first].SubmitTask(
                    spec=command(project=self.project, dependencies=on(before))).task_id
                agent = self.agent_at(second)
                agent.expect(agent.finish(before, agent.take(before)))
                self.await_ready(waiting)

    def test_an_end_is_not_missed_by_who_is_submitted_at_that_moment(self):
        agents = [self.agent_at(0), self.agent_at(1)]
        waiting = []
        for turn in range(40):
            agent, before = agents[turn % 2], self.submit()
            generation = agent.take(before)

            def at_once(index):
                if index == 0:
                    agent.expect(agent.finish(before, generation))
                else:
                    waiting.append(self.queues[(turn // 2) % 2].SubmitTask(
                        spec=command(project=self.project, dependencies=on(before))).task_id)
            in_threads(2, at_once)
        self.assertEqual(len(waiting), 40)
        for task_id in waiting:
            self.await_ready(task_id)

    def test_a_killed_replica_leaves_nobody_waiting(self):
        befores = [self.submit() for _ in range(60)]
        waiting = [self.submit(dependencies=on(before)) for before in befores]
        agent = self.agent_at(1)
        held = [(before, agent.take(before)) for before in befores]
        try:
            in_threads(2, lambda index: self.stack.queues[1].kill() if index == 0 else [
                agent.finish(before, generation) for before, generation in held])
        except CallError:
            pass
        finally:
            self.stack.queues[1].start()
        here = self.agent_at(0, agent.name, held)
        for before, generation in held:
            here.finish(before, generation)
        for task_id in waiting:
            self.await_ready(task_id, timeout=20)

    def test_a_continuation_is_given_what_the_other_left(self):
        agent, before = self.agent(), self.submit()
        waiting = self.submit(continues_task_id=before)
        self.assertEqual(self.hold(waiting), "DEPENDENCY")
        generation = agent.take(before)
        agent.expect(agent.finish(before, generation, state_summary="half of it is done"))
        self.await_ready(waiting)
        self.assertEqual(self.get(before).result.state_summary, "half of it is done")
        given = agent.assign(waiting)
        self.assertEqual((given.state_summary, given.spec.continues_task_id), ("half of it is done", before))
        told = self.ledger.ListAssigned(agent_ids=[agent.name]).tasks
        self.assertEqual([one.assignment.state_summary for one in told], ["half of it is done"])
        again = agent.open()
        self.assertEqual([one.state_summary for one in again.redeliver], ["half of it is done"])


class VerifyingTest(TwoReplicasTest):
    def judged(self, **fields):
        agent = self.agent()
        task_id = self.submit(**REQUIRED)
        generation = agent.assign(task_id, routing=b"route").generation
        agent.expect(agent.finish(task_id, generation, **fields))
        return task_id, generation

    @staticmethod
    def told(messages):
        return {(one.task_id, one.generation) for message in messages for one in message.tasks}

    def test_verifiers_are_told_what_was_there_and_what_comes(self):
        before = self.judged()
        with self.ledgers[0].WatchVerifying() as here, self.ledgers[1].WatchVerifying() as there:
            for feed in (here, there):
                feed.wait_for(lambda messages: before in self.told(messages), "what was there")
            later = self.judged()
            for feed in (here, there):
                feed.wait_for(lambda messages: later in self.told(messages), "what came", timeout=2)

    def test_all_that_a_verdict_needs_is_read_at_once(self):
        checks = b"c" * (256 << 10)
        task_id, generation = self.judged(evidence=b"proof", checks=checks, output="out", state_summary="left")
        answer = self.ledger.ReadVerifying(task_id=task_id, generation=generation)
        self.assertEqual((answer.task.result.evidence, answer.task.result.checks), (b"proof", checks))
        self.assertEqual((answer.task.result.output, answer.routing), ("out", b"route"))
        self.assertGreater(answer.due.seconds, time.time())
        listed = self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project])).tasks
        shown = [one for one in listed if one.id == task_id][0].result
        self.assertEqual((shown.checks, shown.state_summary, shown.evidence), (b"", "", b""))
        self.fails("STALE_GENERATION", self.ledger.ReadVerifying, task_id=task_id, generation=generation + 1)
        self.ledger.ConcludeTasks(conclusions=[ledger.Conclusion(
            task_id=task_id, generation=generation, verdict=ledger.VERDICT_SUCCEEDED, message="all is well")])
        self.fails("STALE_GENERATION", self.ledger.ReadVerifying, task_id=task_id, generation=generation)
        self.fails("TASK_NOT_FOUND", self.ledger.ReadVerifying, task_id=NEVER, generation=1)
        last = self.tasks.ListTaskEvents(task_id=task_id).events[-1]
        self.assertEqual((last.cause, last.message), ("VERIFIED", "all is well"))

    def test_a_permanent_verdict_allows_no_other_attempt(self):
        for permanent, state in ((False, "QUEUED"), (True, "DEAD_LETTER")):
            with self.subTest(permanent=permanent):
                task_id, generation = self.judged()
                self.ledger.ConcludeTasks(conclusions=[ledger.Conclusion(
                    task_id=task_id, generation=generation, verdict=ledger.VERDICT_FAILED, permanent=permanent,
                    failure=task.TaskFailure(reason="CHECK_FAILED", message="red"), message="2 of 3 checks passed")])
                self.assertEqual(self.state(task_id), state)
                last = self.tasks.ListTaskEvents(task_id=task_id).events[-1]
                self.assertEqual(last.message, "2 of 3 checks passed")

    def test_too_large_checks_are_refused(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        self.refused(agent.finish(task_id, generation, checks=b"c" * ((256 << 10) + 1)), "INVALID_FIELD")
        self.refused(agent.finish(task_id, generation, state_summary="s" * ((16 << 10) + 1)), "INVALID_FIELD")


if __name__ == "__main__":
    unittest.main()
