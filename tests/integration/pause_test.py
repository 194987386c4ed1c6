"""Pausing lanes, projects and tasks."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from stack import StackTest  # noqa: E402

Target, spec = stubs.queue.QueueTarget, stubs.spec


class PauseTest(StackTest):
    def pauses(self, messages):
        told = [message.pauses for message in messages if message.HasField("pauses")]
        return (set(told[-1].lanes), set(told[-1].projects)) if told else None

    def test_a_project_is_paused_shown_told_to_schedulers_and_resumed(self):
        target = Target(project=self.project)
        with self.ledger.WatchReady(shards=range(16)) as feed:
            feed.wait_for(self.pauses, "the first pauses")
            self.tasks.PauseQueue(target=target, reason="maintenance")
            feed.wait_for(lambda messages: self.project in self.pauses(messages)[1], "the pause")
            [pause] = [pause for pause in self.tasks.GetQueueStats().pauses if pause.target == target]
            self.assertEqual((pause.reason, pause.principal), ("maintenance", "admin"))
            self.assertGreater(pause.create_time.seconds, 0)
            self.tasks.PauseQueue(target=target, reason="again")
            self.assertTrue(self.tasks.ResumeQueue(target=target).was_paused)
            self.assertFalse(self.tasks.ResumeQueue(target=target).was_paused)
            feed.wait_for(lambda messages: self.project not in self.pauses(messages)[1], "the end of the pause")
        self.assertNotIn(target, [pause.target for pause in self.tasks.GetQueueStats().pauses])

    def test_a_lane_is_paused_and_what_runs_goes_on(self):
        agent, task_id = self.agent(), self.submit(lane=spec.LANE_LOW)
        generation = agent.take(task_id)
        self.tasks.PauseQueue(target=Target(lane=spec.LANE_LOW))
        try:
            [low] = [lane for lane in self.tasks.GetQueueStats().lanes if lane.lane == spec.LANE_LOW]
            self.assertTrue(low.paused)
            agent.expect(agent.finish(task_id, generation))
        finally:
            self.assertTrue(self.tasks.ResumeQueue(target=Target(lane=spec.LANE_LOW)).was_paused)
        self.assertFalse(any(lane.paused for lane in self.tasks.GetQueueStats().lanes))

    def test_a_paused_task_cannot_be_assigned_until_it_is_resumed(self):
        agent, task_id = self.agent(), self.submit()
        for _ in range(2):
            self.tasks.PauseQueue(target=Target(task_id=task_id), reason="look first")
        self.assertEqual(self.hold(task_id), "PAUSED")
        self.refused(agent.assign(task_id), "TASK_NOT_READY")
        self.assertTrue(self.tasks.ResumeQueue(target=Target(task_id=task_id)).was_paused)
        self.assertFalse(self.tasks.ResumeQueue(target=Target(task_id=task_id)).was_paused)
        self.assertEqual(self.events(task_id), [("SUBMITTED", ""), ("HELD", "PAUSED"), ("READY", "RESUMED")])
        agent.take(task_id)

    def test_a_running_task_cannot_be_paused(self):
        agent, task_id = self.agent(), self.submit()
        agent.take(task_id)
        self.fails("WRONG_STATE", self.tasks.PauseQueue, target=Target(task_id=task_id), code="FAILED_PRECONDITION")

    def test_targets_are_checked(self):
        never = "01900000-0000-7000-8000-000000000000"
        self.fails("TASK_NOT_FOUND", self.tasks.PauseQueue, target=Target(task_id=never))
        self.fails("TASK_NOT_FOUND", self.tasks.ResumeQueue, target=Target(task_id=never))
        for target, field in ((None, "target"), (Target(lane=0), "target.lane"), (Target(lane=9), "target.lane"),
                              (Target(project=""), "target.project"), (Target(project="A"), "target.project"),
                              (Target(task_id="x"), "target.task_id")):
            with self.subTest(field=field):
                self.assertEqual(self.fails("INVALID_FIELD", self.tasks.PauseQueue, target=target).fields, [field])
                self.assertEqual(self.fails("INVALID_FIELD", self.tasks.ResumeQueue, target=target).fields, [field])
        failure = self.fails("INVALID_FIELD", self.tasks.PauseQueue, target=Target(lane=1), reason="x" * 1025)
        self.assertEqual(failure.fields, ["reason"])


if __name__ == "__main__":
    unittest.main()
