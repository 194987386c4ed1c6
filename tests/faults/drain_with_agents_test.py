"""Processes that are stopped as an operator stops them, while executors work: nobody is charged, little is even lost."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import LONG, AgentFaultTest  # noqa: E402

LOST = stubs.task.ATTEMPT_OUTCOME_LOST


class DrainWithAgentsTest(AgentFaultTest):
    agents = ("one", "two")
    agent_config = {"drain_timeout": "1s"}

    def restart(self, process):
        code = process.stop()
        self.assertEqual(code, 0, process.tail())
        self.load.run_for(self.rng.uniform(0.1, 0.5))
        process.start()
        self.load.run_for(self.rng.uniform(0.5, 1.0))

    def nobody_lost(self):
        """A stream that moves keeps what it has."""
        for task in self.load.stored().values():
            lost = [attempt for attempt in task.history if attempt.outcome == LOST]
            self.assertEqual(lost, [], self.story(task.id))

    def test_all_are_stopped_in_turn(self):
        self.load.start().run_for(1)
        for _ in range(15 if LONG else 1):
            for process in [*self.it.hubs, self.rng.choice(self.it.schedulers), self.rng.choice(self.it.queues),
                            *self.it.agents.values()]:
                print(f"SIGTERM {process.name}", flush=True)
                self.restart(process)
        self.all_is_well()
        self.nobody_lost()

    def test_work_outlives_the_hub_that_stops(self):
        self.load.watch()
        task_id = self.load.submit("long", seconds=4)
        agent = self.agent_of(self.await_running(task_id))
        hub, at = self.it.hub_of(agent.name), agent.position()
        self.assertEqual(hub.stop(), 0, hub.tail())
        connected = agent.wait_for_line("connected", at)
        self.assertNotEqual(connected["hub"], hub.name)
        self.assertEqual((connected["kept"], connected["dropped"]), (1, 0))
        task = self.await_end(task_id)
        self.assertEqual((task.generation, task.attempts, task.losses), (1, 1, 0), self.story(task_id))
        hub.start()
        self.all_is_well(alone=True, at_least=1)

    def test_an_executor_that_stops_hands_back_what_it_cannot_finish(self):
        self.load.watch()
        task_id = self.load.submit("too-long", seconds=5, network=True)
        agent = self.agent_of(self.await_running(task_id))
        short = self.load.submit("short", seconds=0.5)
        self.await_running(short)
        self.assertEqual(agent.stop(), 0, agent.tail())
        task = self.await_end(task_id)
        self.assertEqual([attempt.outcome for attempt in task.history],
                         [stubs.task.ATTEMPT_OUTCOME_RELEASED, stubs.task.ATTEMPT_OUTCOME_SUCCEEDED], self.story(task_id))
        self.assertNotEqual(task.history[1].agent_id, agent.agent_id)
        self.assertEqual(task.attempts, 1)
        self.assertEqual(self.await_end(short).generation, 1, self.story(short))
        agent.start()
        self.all_is_well(alone=True, at_least=2)


if __name__ == "__main__":
    unittest.main()
