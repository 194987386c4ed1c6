"""Time limits: each ends what it limits, for a reason that is told."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import time  # noqa: E402

import stubs  # noqa: E402
from stack import StackTest  # noqa: E402

spec, task = stubs.spec, stubs.task


def seconds(value):
    return {"seconds": int(value), "nanos": round((value % 1) * 1e9)}


def at(value):
    return seconds(time.time() + value)


class TimeLimitsTest(StackTest):
    options = {"settings": {"time": {"accept": "1s", "cancel_grace": "1s", "sweep_interval": "20ms"},
                            "retry": {"loss_cooldown": ["0s", "600s"]}}}

    def test_an_assignment_that_is_not_accepted_is_withdrawn(self):
        agent, task_id = self.agent(), self.submit()
        with self.ledger.WatchDirectives(agent_ids=[agent.name]) as feed:
            generation = agent.assign(task_id).generation
            self.await_state(task_id, "QUEUED")
            feed.wait_for(lambda messages: messages, "the withdrawal")
        [directive] = feed.messages[0].directives
        self.assertEqual((directive.task_id, directive.generation, directive.WhichOneof("directive")),
                         (task_id, generation, "withdraw"))
        stored = self.get(task_id)
        self.assertEqual((stored.losses, stored.attempts), (1, 0))
        self.assertEqual(stored.history[0].outcome, task.ATTEMPT_OUTCOME_NOT_ACCEPTED)
        self.assertEqual(self.events(task_id)[-1], ("RETURNED", "ACCEPT_TIMEOUT"))
        self.refused(agent.accept(task_id, generation), "STALE_GENERATION")

    def test_a_task_may_name_a_longer_time_to_accept(self):
        agent, task_id = self.agent(), self.submit(time_limits={"accept": seconds(30)})
        generation = agent.assign(task_id).generation
        time.sleep(1.5)
        agent.expect(agent.accept(task_id, generation))

    def test_an_attempt_that_runs_too_long_is_charged_and_retried(self):
        agent, task_id = self.agent(), self.submit(time_limits={"run": seconds(0.5)})
        generation = agent.take(task_id)
        stored = self.await_state(task_id, "QUEUED")
        self.assertEqual((stored.attempts, stored.history[0].outcome), (1, task.ATTEMPT_OUTCOME_TIMED_OUT))
        self.assertEqual(self.events(task_id)[-1], ("RETURNED", "RUN_TIMEOUT"))
        self.refused(agent.finish(task_id, generation), "STALE_GENERATION")

    def test_a_task_without_a_sign_of_progress_is_taken_back(self):
        agent, task_id = self.agent(), self.submit(time_limits={"stuck": seconds(0.5)})
        agent.take(task_id)
        self.await_state(task_id, "QUEUED")
        self.assertEqual(self.events(task_id)[-1], ("RETURNED", "STUCK"))

    def test_signs_of_progress_keep_a_task_from_being_taken_back(self):
        agent, task_id = self.agent(), self.submit(time_limits={"stuck": seconds(1.5)})
        generation = agent.take(task_id)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            agent.expect(agent.progress(task_id, generation))
            time.sleep(0.1)
        agent.expect(agent.finish(task_id, generation))

    def test_a_blocked_task_is_not_stuck(self):
        agent, task_id = self.agent(), self.submit(time_limits={"stuck": seconds(0.5)})
        generation = agent.take(task_id)
        agent.expect(agent.block(task_id, generation, "which one?"))
        time.sleep(1.2)
        self.assertEqual(self.state(task_id), "RUNNING")
        agent.expect(agent.finish(task_id, generation))

    def test_a_verdict_that_does_not_come_sends_the_task_to_the_dead_letter(self):
        agent = self.agent()
        task_id = self.submit(verdict_policy=spec.VERDICT_POLICY_REQUIRED, time_limits={"verification": seconds(0.4)})
        agent.finish(task_id, agent.take(task_id), evidence=b"kept")
        stored = self.await_state(task_id, "DEAD_LETTER")
        self.assertEqual((stored.failure.reason, stored.result.evidence), ("VERIFICATION_TIMEOUT", b"kept"))

    def test_a_task_that_does_not_start_in_time_expires(self):
        task_id = self.submit(time_limits={"time_to_live": seconds(0.4)})
        stored = self.await_state(task_id, "EXPIRED")
        self.assertEqual((stored.failure.reason, self.events(task_id)[-1]),
                         ("TIME_TO_LIVE", ("FINISHED", "TIME_TO_LIVE")))

    def test_a_task_that_has_started_outlives_its_time_to_live(self):
        agent, task_id = self.agent(), self.submit(time_limits={"time_to_live": seconds(0.6)})
        generation = agent.take(task_id)
        agent.let_go(task_id, generation)
        time.sleep(1)
        self.assertEqual(self.state(task_id), "QUEUED")

    def test_a_task_expires_when_its_moment_has_come_even_while_it_runs(self):
        agent = self.agent()
        running, waiting = (self.submit(time_limits={"complete_by": at(0.8)}) for _ in range(2))
        with self.ledger.WatchDirectives(agent_ids=[agent.name]) as feed:
            generation = agent.take(running)
            for task_id in (running, waiting):
                self.assertEqual(self.await_state(task_id, "EXPIRED").failure.reason, "COMPLETE_BY")
            feed.wait_for(lambda messages: messages, "the withdrawal")
        self.assertEqual(feed.messages[0].directives[0].WhichOneof("directive"), "withdraw")
        self.refused(agent.finish(running, generation), "STALE_GENERATION")

    def test_a_moment_that_has_passed_expires_the_task_at_once(self):
        task_id = self.submit(time_limits={"complete_by": at(-60)})
        self.await_state(task_id, "EXPIRED", timeout=5)

    def test_a_task_starts_when_its_time_has_come(self):
        with self.ledger.WatchReady(shards=range(16)) as feed:
            feed.wait_for(lambda messages: any(message.scan_complete for message in messages), "the scan")
            agent, begin = self.agent(), time.monotonic()
            task_id = self.submit(start_time=at(1))
            self.assertEqual(self.hold(task_id), "DELAYED")
            self.refused(agent.assign(task_id), "TASK_NOT_READY")
            feed.wait_for(lambda messages: any(entry.task_id == task_id for message in messages
                                               for entry in message.tasks), "the offer")
            self.assertGreater(time.monotonic() - begin, 0.9)
        self.assertEqual(self.events(task_id), [("SUBMITTED", "DELAYED"), ("READY", "HOLD_ENDED")])
        agent.take(task_id)

    def test_a_start_time_that_has_passed_starts_at_once(self):
        self.assertEqual(self.hold(self.submit(start_time=at(-3600))), "NONE")

    def test_a_failed_task_waits_as_its_policy_says(self):
        policy = {"backoff": [seconds(0.4), seconds(600)]}
        agent, task_id = self.agent(), self.submit(retry_policy=policy)
        generation = agent.take(task_id)
        failed = time.monotonic()
        agent.fail(task_id, generation)
        stored = self.get(task_id)
        self.assertEqual(stored.hold_reason, task.HOLD_REASON_BACKOFF)
        self.refused(agent.assign(task_id, generation), "TASK_NOT_READY")
        while self.hold(task_id) != "NONE":
            self.assertLess(time.monotonic() - failed, 10)
        self.assertGreater(time.monotonic() - failed, 0.3)
        generation = agent.take(task_id, generation)
        agent.fail(task_id, generation)
        stored = self.get(task_id)
        self.assertGreater(stored.hold_until.seconds, time.time() + 500)

    def test_a_hold_of_the_scheduler_ends_by_itself(self):
        task_id = self.submit()
        hold = stubs.ledger.Hold(task_id=task_id, reason=task.HOLD_REASON_NO_AGENT, until=at(0.5))
        self.assertFalse(self.ledger.HoldTasks(holds=[hold]).results[0].error.reason)
        self.assertEqual(self.hold(task_id), "NO_AGENT")
        while self.hold(task_id) != "NONE":
            time.sleep(0.02)
        self.assertEqual(self.events(task_id)[-1], ("READY", "HOLD_ENDED"))

    def test_a_pause_does_not_shorten_a_delay(self):
        task_id = self.submit(start_time=at(600))
        target = stubs.queue.QueueTarget(task_id=task_id)
        self.tasks.PauseQueue(target=target)
        self.assertEqual(self.hold(task_id), "PAUSED")
        self.tasks.ResumeQueue(target=target)
        self.assertEqual(self.hold(task_id), "DELAYED")

    def test_an_agent_that_does_not_give_up_a_cancelled_task_loses_it(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]))
        self.assertEqual(self.state(task_id), "RUNNING")
        stored = self.await_state(task_id, "CANCELLED")
        self.assertEqual(self.events(task_id)[-1], ("FINISHED", "CANCEL_TIMEOUT"))
        self.assertEqual(stored.failure.reason, "CANCELLED")
        self.refused(agent.finish(task_id, generation), "STALE_GENERATION")

    def test_a_thousand_limits_at_once_are_all_kept(self):
        request = stubs.queue.SubmitTaskRequest(spec=spec.TaskSpec(
            command=spec.Command(argv=["true"]), project=self.project, time_limits={"time_to_live": seconds(0.5)}))
        self.tasks.SubmitTasks(tasks=[request] * 1000)
        chosen = stubs.queue.TaskFilter(projects=[self.project], states=[task.TASK_STATE_QUEUED])
        end = time.monotonic() + 15
        while self.tasks.ListTasks(filter=chosen, page_size=1).tasks:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
