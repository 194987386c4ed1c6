"""Task queues that are killed without warning, one after the other."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from faulty import FaultTest  # noqa: E402


class KillTest(FaultTest):
    times, long_times = 3, 50

    def fault(self, stack, rng, number):
        victim = stack.queues[number % len(stack.queues)]
        victim.kill()
        victim.start(ready=rng.random() < 0.5)

    def test_killed_task_queues_lose_nothing_and_count_nothing_twice(self):
        self.check_scenario()


if __name__ == "__main__":
    unittest.main()
