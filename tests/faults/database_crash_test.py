"""Postgres that ends without warning under load and recovers."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import time  # noqa: E402

from faulty import FaultTest  # noqa: E402


class DatabaseCrashTest(FaultTest):
    options = {"durable": True}
    times, long_times = 3, 20
    pause = (1.0, 2.0)

    def fault(self, stack, rng, number):
        stack.postgres.stop_immediately()
        time.sleep(rng.uniform(0, 1.5))
        stack.postgres.start()

    def test_what_was_answered_survives_a_crash_of_the_database(self):
        self.check_scenario()


if __name__ == "__main__":
    unittest.main()
