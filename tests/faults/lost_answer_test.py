"""Commits whose answers are lost: the connection breaks between the commit and its answer."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from faulty import FaultTest  # noqa: E402


class LostAnswerTest(FaultTest):
    times, long_times = 6, 60
    options = {"environment": {"SWITCHYARD_FAILPOINTS": "commit_answer_lost=0.05,before_commit_disconnect=0.05"}}

    def fault(self, stack, rng, number):
        """They happen by themselves."""

    def inspect(self, stack):
        lost = sum("answer of a commit was lost" in line.get("msg", "") for queue in stack.queues
                   for line in queue.lines())
        print(f"{lost} answers were lost", flush=True)
        self.assertGreater(lost, 5)

    def test_lost_answers_lose_nothing_and_count_nothing_twice(self):
        self.check_scenario()


if __name__ == "__main__":
    unittest.main()
