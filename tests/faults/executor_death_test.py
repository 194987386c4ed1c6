"""An executor killed in mid-task: with and without a restart; what it says too late; what it says in time."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import AgentFaultTest  # noqa: E402
from installation import SESSION_LEASE  # noqa: E402
from life_rules import read_runs, seconds  # noqa: E402
from stream_agent import StreamAgent  # noqa: E402
from waiting import wait_until  # noqa: E402

task_pb = stubs.task


class ExecutorDeathTest(AgentFaultTest):
    agents = ("one", "two")

    def setUp(self):
        super().setUp()
        self.load.watch()
        self.it.await_available()

    def begin(self, name, length):
        """Runs somewhere, really; the task and the executor."""
        task_id = self.load.submit(name, seconds=length)
        agent = self.agent_of(self.await_running(task_id))
        wait_until(lambda: self.runs(name), "the program to begin")
        return task_id, agent

    def runs(self, name):
        """Oldest first."""
        return sorted((run for run in read_runs(self.it.world_lines()).values()
                       if run.request == f"{self.load.run_id}-{name}"), key=lambda run: run.begin)

    def returned(self, task_id):
        return [event for event in self.load.events(task_id) if event.kind == task_pb.EVENT_KIND_RETURNED]

    def test_killed_and_restarted_its_task_goes_on_at_once(self):
        task_id, agent = self.begin("restarted", 2)
        agent.kill()
        at = agent.position()
        agent.start()
        connected = agent.wait_for_line("connected", at)
        self.assertEqual(connected["kept"], 0)
        task = self.await_end(task_id)
        self.assertEqual(task.generation, 2)
        self.assertEqual([event.cause for event in self.returned(task_id)], ["EXECUTOR_RESTARTED"], self.story(task_id))
        # At once: before the grace period would have been over; how fast is measured by a benchmark.
        attempts = task.history
        self.assertLess(seconds(attempts[1].accept_time) - seconds(attempts[0].finish_time), SESSION_LEASE)
        self.assertEqual([run.end is None for run in self.runs("restarted")], [True, False])
        self.all_is_well(alone=True, at_least=1)

    def test_killed_for_good_its_task_goes_elsewhere_after_the_grace_period(self):
        task_id, agent = self.begin("for-good", 1)
        agent.kill()
        task = self.await_end(task_id)
        self.assertEqual([event.cause for event in self.returned(task_id)], ["AGENT_LOST"], self.story(task_id))
        self.assertEqual(len(task.history), 2)
        self.assertNotEqual(task.history[1].agent_id, agent.agent_id)
        self.assertLess(seconds(task.history[1].accept_time) - seconds(task.history[0].finish_time), 5.0)
        # It is back, late, and still believes in what it had; nothing of it counts.
        late = StreamAgent(self.it.hubs[0].address, agent.token, held={task_id: 1}, restarted=False)
        self.addCleanup(late.drop)
        self.assertEqual([(held.task_id, held.generation) for held in late.wait("welcome").drop], [(task_id, 1)])
        old = stubs.agent_hub.Assignment(task_id=task_id, generation=1)
        number = late.complete(old, summary="too late")
        self.assertEqual(late.acknowledged(number), {number: "STALE_GENERATION"})
        late.drop()
        self.assertEqual(self.load.get(task_id), task)
        agent.start()
        self.all_is_well(at_least=1)

    def test_a_result_from_the_time_without_a_network_is_delivered_once_if_it_comes_in_time(self):
        task_id, agent = self.begin("in-time", 1)
        at = agent.position()
        agent.each("refuse")
        agent.each("reset")
        agent.wait_for_line("task ended", at)
        self.assertEqual(self.state(task_id), "RUNNING")
        agent.heal()
        task = self.await_end(task_id)
        self.assertEqual((task.generation, len(self.runs("in-time"))), (1, 1), self.story(task_id))
        self.assertEqual([what for what, _, _ in self.story(task_id)].count("FINISHED"), 1)
        self.all_is_well(at_least=1)

    def test_a_result_that_comes_too_late_is_dropped(self):
        task_id, agent = self.begin("too-late", 2)
        at = agent.position()
        agent.each("stall")
        agent.wait_for_line("task ended", at)
        task = self.await_end(task_id)
        self.assertNotEqual(task.history[1].agent_id, agent.agent_id)
        agent.heal()
        agent.wait_for_line("connected", at)
        wait_until(lambda: " 0 undelivered" in agent.run("doctor").stdout, "the late result to be dropped")
        self.assertEqual(self.load.get(task_id), task)
        self.assertEqual(len(self.runs("too-late")), 2)
        self.all_is_well(at_least=1)


if __name__ == "__main__":
    unittest.main()
