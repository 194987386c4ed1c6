"""A replica that stands still for a while and then goes on where it was."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import time  # noqa: E402

from faulty import FaultTest  # noqa: E402


class StallTest(FaultTest):
    times, long_times = 4, 30

    def fault(self, stack, rng, number):
        victim = stack.queues[number % len(stack.queues)]
        victim.pause()
        time.sleep(rng.uniform(0.5, 3.0))
        victim.resume()

    def test_a_replica_that_stood_still_does_no_harm(self):
        self.check_scenario()


if __name__ == "__main__":
    unittest.main()
