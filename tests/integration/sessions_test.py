"""Sessions of agents: what they keep, lose and are sent again; shards of schedulers."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import time  # noqa: E402

import stubs  # noqa: E402
from agents import SHARDS, Agent, Scheduler  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

task = stubs.task


def pairs(held):
    return sorted((entry.task_id, entry.generation) for entry in held)


class SessionTest(StackTest):
    def assigned(self, *agents):
        answer = self.ledger.ListAssigned(agent_ids=[agent.name for agent in agents])
        return sorted((entry.agent_id, entry.assignment.task_id, entry.assignment.generation) for entry in answer.tasks)

    def test_the_epoch_of_an_agent_only_grows(self):
        agent = self.agent()
        epochs = [agent.epoch] + [agent.open().session_epoch for _ in range(3)]
        self.assertEqual(epochs, list(range(epochs[0], epochs[0] + 4)))

    def test_an_agent_that_comes_back_keeps_what_it_names(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        answer = agent.open(held=[(task_id, generation)])
        self.assertEqual(pairs(answer.keep), [(task_id, generation)])
        self.assertEqual((len(answer.drop), len(answer.redeliver)), (0, 0))
        agent.expect(agent.finish(task_id, generation))

    def test_an_unnamed_task_is_sent_again_to_an_executor_that_did_not_restart(self):
        agent = self.agent()
        task_id = self.submit("make", title="build")
        generation = agent.assign(task_id).generation
        answer = agent.open()
        [given] = answer.redeliver
        self.assertEqual((given.task_id, given.generation, given.spec.title), (task_id, generation, "build"))
        self.assertEqual(given.traceparent, self.get(task_id).traceparent)
        self.assertTrue(given.accept_by.seconds)
        agent.expect(agent.accept(task_id, generation))

    def test_an_unnamed_task_of_a_restarted_executor_returns_at_once(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        answer = agent.open(restarted=True)
        self.assertEqual(len(answer.keep) + len(answer.drop) + len(answer.redeliver), 0)
        wait_until(lambda: self.state(task_id) == "QUEUED", "the task to return", timeout=5)
        self.assertEqual(self.events(task_id)[-1], ("RETURNED", "EXECUTOR_RESTARTED"))
        stored = self.get(task_id)
        self.assertEqual((stored.losses, stored.attempts), (1, 0))
        self.assertEqual(stored.history[0].outcome, task.ATTEMPT_OUTCOME_LOST)
        agent.take(task_id, generation)

    def test_what_is_not_its_own_any_more_is_dropped(self):
        agent, other = self.agent(), self.agent()
        finished, moved, old = self.submit(), self.submit(), self.submit()
        never = "01900000-0000-7000-8000-000000000000"
        first = agent.take(finished)
        agent.finish(finished, first)
        lost = agent.take(moved)
        agent.let_go(moved, lost)
        other.take(moved, lost)
        early = agent.take(old)
        agent.let_go(old, early)
        late = agent.take(old, early)
        answer = agent.open(held=[(finished, first), (moved, lost), (old, early), (never, 1)])
        self.assertEqual(pairs(answer.drop), sorted([(finished, first), (moved, lost), (old, early), (never, 1)]))
        self.assertEqual([(given.task_id, given.generation) for given in answer.redeliver], [(old, late)])
        self.assertEqual(self.get(moved).agent_id, other.name)

    def test_the_ledger_says_who_owns_what(self):
        agent, other = self.agent(), self.agent()
        mine, theirs = [self.submit() for _ in range(3)], self.submit()
        for task_id in mine:
            agent.take(task_id)
        other.assign(theirs)
        self.assertEqual(self.assigned(agent, other),
                         sorted([(agent.name, task_id, 1) for task_id in mine] + [(other.name, theirs, 1)]))
        self.assertEqual(self.assigned(other), [(other.name, theirs, 1)])
        states = {entry.assignment.task_id: entry.state
                  for entry in self.ledger.ListAssigned(agent_ids=[agent.name, other.name]).tasks}
        self.assertEqual((states[mine[0]], states[theirs]), (task.TASK_STATE_RUNNING, task.TASK_STATE_ASSIGNED))
        self.assertFalse(self.ledger.ListAssigned(agent_ids=["nobody"]).tasks)

    def test_only_the_newest_session_is_renewed(self):
        agent = self.agent()
        former = agent.epoch
        agent.open()
        refs = [stubs.ledger.SessionRef(agent_id=agent.name, session_epoch=epoch) for epoch in (former, agent.epoch)]
        self.assertFalse(self.ledger.RenewSessions(sessions=refs[:1]).renewed_agent_ids)
        answer = self.ledger.RenewSessions(sessions=[*refs, stubs.ledger.SessionRef(agent_id="nobody")])
        self.assertEqual(list(answer.renewed_agent_ids), [agent.name])
        self.assertGreater(answer.expire_time.seconds, time.time())

    def test_shards_are_shared_out_taken_over_and_given_back(self):
        self.scheduler().release()
        one, two = Scheduler(self.ledger), Scheduler(self.ledger)
        try:
            one.acquire(want=10)
            self.assertEqual(len(one.epochs), 10)
            two.acquire()
            self.assertEqual(len(two.epochs), SHARDS - 10)
            self.assertFalse(set(one.epochs) & set(two.epochs))
            before = dict(one.epochs)
            one.acquire(want=10)
            self.assertEqual(one.epochs, before)
            one.acquire(want=4)
            self.assertEqual(len(one.epochs), 4)
            two.acquire()
            self.assertEqual(len(two.epochs), SHARDS - 4)
            one.release()
            two.acquire()
            self.assertEqual(sorted(two.epochs), list(range(SHARDS)))
            for shard, epoch in before.items():
                self.assertGreater(two.epochs[shard], epoch)
        finally:
            one.release()
            two.release()
            self.scheduler().acquire()


class LeaseTest(StackTest):
    """With leases that end soon."""
    options = {"settings": {"time": {"session_lease": "1500ms", "shard_lease": "700ms", "sweep_interval": "20ms"}}}
    LEASE = 1.5

    def setUp(self):
        super().setUp()
        # After a start every session gets one full lease; that is over then.
        started = getattr(type(self), "started", None)
        if started is None:
            type(self).started = started = time.monotonic()
        time.sleep(max(0.0, started + self.LEASE + 1 - time.monotonic()))
        type(self)._scheduler = Scheduler(self.ledger, "scheduler").acquire()

    def test_tasks_of_an_agent_that_does_not_renew_are_taken_back(self):
        agent, ids = self.agent(), [self.submit() for _ in range(20)]
        begin = time.monotonic()
        generation = [agent.take(task_id) for task_id in ids][0]
        for task_id in ids:
            self.await_state(task_id, "QUEUED")
        self.assertGreater(time.monotonic() - begin, self.LEASE - 1)
        stored = self.get(ids[0])
        self.assertEqual((stored.losses, stored.attempts, stored.history[0].outcome),
                         (1, 0, task.ATTEMPT_OUTCOME_LOST))
        self.assertEqual(self.events(ids[0])[-1], ("RETURNED", "AGENT_LOST"))
        self.refused(agent.finish(ids[0], generation), "STALE_GENERATION")
        self.assertFalse(agent.renew())

    def test_a_session_that_is_renewed_lives(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        end = time.monotonic() + 2.5 * self.LEASE
        while time.monotonic() < end:
            self.assertTrue(agent.renew())
            time.sleep(0.1)
        agent.expect(agent.finish(task_id, generation))

    def test_after_its_lease_an_agent_gets_nothing_until_it_opens_another_session(self):
        agent, task_id = self.agent(), self.submit()
        self.assertTrue(agent.renew())
        wait_until(lambda: not self.stack.postgres.sql(
            f"SELECT 1 FROM task_queue.session WHERE agent = '{agent.name}' AND expire_time IS NOT NULL"),
            "the session to end")
        self.assertFalse(agent.renew())
        type(self)._scheduler.acquire()
        self.refused(agent.assign(task_id), "STALE_SESSION")
        agent.open()
        agent.take(task_id)

    def test_a_task_with_effects_outside_goes_to_the_dead_letter_when_its_agent_is_lost(self):
        agent, task_id = self.agent(), self.submit(effects=stubs.spec.EFFECTS_NETWORK)
        other = self.submit(effects=stubs.spec.EFFECTS_NETWORK, on_lost=stubs.spec.ON_LOST_RETRY)
        agent.take(task_id)
        agent.take(other)
        stored = self.await_state(task_id, "DEAD_LETTER")
        self.assertEqual(stored.failure.reason, "LOST_WITH_EFFECTS")
        self.await_state(other, "QUEUED")

    def test_a_task_lost_too_often_goes_to_the_dead_letter(self):
        task_id, generation = self.submit(), 0
        for loss in range(1, 4):
            type(self)._scheduler.acquire()
            agent = self.agent()
            self.tasks.RetryTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]))
            generation = agent.take(task_id, generation)
            wait_until(lambda loss=loss: self.get(task_id).losses == loss, "the loss")
        stored = self.await_state(task_id, "DEAD_LETTER")
        self.assertEqual((stored.failure.reason, stored.attempts), ("LOST_TOO_OFTEN", 0))
        self.assertEqual(len({attempt.agent_id for attempt in stored.history}), 3)

    def test_a_scheduler_that_does_not_renew_loses_its_shards(self):
        type(self)._scheduler.release()
        one, two = Scheduler(self.ledger).acquire(), Scheduler(self.ledger)
        self.assertEqual(two.acquire().epochs, {})
        wait_until(lambda: len(two.acquire().epochs) == SHARDS, "the shards to be free", timeout=5)
        agent, task_id = Agent(self.ledger, one), self.submit()
        agent.open()
        self.refused(agent.assign(task_id), "STALE_SHARD_EPOCH")
        agent.scheduler = two
        agent.take(task_id)
        two.release()


if __name__ == "__main__":
    unittest.main()
