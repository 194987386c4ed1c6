"""All executors gone at once with a full queue, and back at once: all of it ends, fresh work before what was lost."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import LONG, AgentFaultTest  # noqa: E402
from client import in_threads  # noqa: E402
from waiting import wait_until  # noqa: E402

task_pb = stubs.task
FRESH = 400 if LONG else 80
BUSY = 9


class FleetDropTest(AgentFaultTest):
    def setUp(self):
        super().setUp()
        self.load.watch()

    def fill(self, name):
        """Every slot at work, and a queue behind it; the tasks that run."""
        running = [self.load.submit(f"{name}-busy-{number}", seconds=8)
                   for number in range(BUSY)]
        wait_until(lambda: all(self.state(task_id) == "RUNNING" for task_id in running), "every slot to be taken")
        in_threads(8, lambda thread: [self.load.submit(f"{name}-{thread}-{number}") for number in range(FRESH // 8)])
        return running

    def check_order(self, running):
        """What was lost goes behind what is fresh, in its lane and as far as the scheduler knew of both."""
        starts = {}
        for task_id in self.load.acknowledged.values():
            for event in self.load.events(task_id):
                if event.kind == task_pb.EVENT_KIND_ASSIGNED:
                    starts[task_id, event.generation] = event.time.seconds + event.time.nanos / 1e9
        again = sorted(at for (task_id, generation), at in starts.items() if task_id in running and generation > 1)
        self.assertGreaterEqual(len(again), BUSY)
        fresh = [at for (task_id, generation), at in starts.items() if task_id not in running and generation == 1]
        behind = sum(at < again[0] for at in fresh)
        print(f"{behind} of {len(fresh)} fresh tasks began before the first that was lost began again", flush=True)
        # The last handful may be under way while the slots free themselves for the first that was lost.
        self.assertGreaterEqual(behind, len(fresh) - 2 * BUSY)

    def end(self, running):
        # Two minutes are the bound of the row; that the long ones run on is not what is measured.
        took = self.load.finish(timeout=120)
        print(f"all had ended after {took:.1f} s", flush=True)
        self.check_order(running)
        self.all_is_well()

    def test_all_killed_and_started_at_once(self):
        running = self.fill("killed")
        for agent in self.it.agents.values():
            agent.kill()
        # Their grace is over: all that ran waits again.
        wait_until(lambda: all(self.state(task_id) == "QUEUED" for task_id in running), "all to be lost")
        for agent in self.it.agents.values():
            agent.start(connected=False)
        self.end(running)


if __name__ == "__main__":
    unittest.main()
