"""What the fault tests share: a workload, faults from a seed, and the check."""

import os
import random
import sys
import unittest

from checker import Checker
from stack import Stack
from workload import Workload

LONG = os.environ.get("SWITCHYARD_LONG_TESTS", "") == "1"


class FaultTest(unittest.TestCase):
    """Overrides fault(); runs it `times`, with the workload going on around it."""

    options = {}
    replicas = 2
    times, long_times = 3, 20
    pause = (0.5, 1.5)

    def fault(self, stack, rng, number):
        raise NotImplementedError

    def inspect(self, stack):
        """Whether what was to be tested did happen."""

    def check_scenario(self):
        seed = int(os.environ.get("SWITCHYARD_TEST_SEED", random.randrange(1 << 31)))
        print(f"SWITCHYARD_TEST_SEED={seed}", flush=True)
        rng = random.Random(seed)
        settings = {"time": {"accept": "1h", "sweep_interval": "100ms"}}
        with Stack(settings=settings, replicas=self.replicas, **self.options) as stack:
            workload = Workload(stack, seed)
            try:
                workload.start()
                workload.run_for(1)
                for number in range(self.long_times if LONG else self.times):
                    self.fault(stack, rng, number)
                    workload.run_for(rng.uniform(*self.pause))
                workload.finish()
                faults = Checker(stack, workload.told).faults()
                told = workload.told
                print(f"{len(told.requests)} tasks, {len(told.owners)} assignments, {told.repeats} repeated reports, "
                      f"{sum(map(len, told.events.values()))} events", flush=True)
                self.assertGreater(len(told.requests), 50)
                self.inspect(stack)
                self.assertEqual(faults, [], f"seed {seed}")
                doctor = stack.run("doctor")
                self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)
            except BaseException:
                sys.stderr.write(f"seed {seed}\n{stack.tails()}\n")
                raise
            finally:
                workload.close()
