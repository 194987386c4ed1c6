"""What the fault tests with executors share: an installation, a load on it, faults from a printed seed, the check."""

import os
import random
import sys
import unittest

import stubs
from agent_load import AgentLoad
from faulty import LONG
from installation import Installation
from waiting import wait_until

__all__ = ["LONG", "AgentFaultTest"]


def seed_of_this_run():
    seed = int(os.environ.get("SWITCHYARD_TEST_SEED", random.randrange(1 << 31)))
    print(f"SWITCHYARD_TEST_SEED={seed}", flush=True)
    return seed


class AgentFaultTest(unittest.TestCase):
    """`it` is the installation of the class; `load` and `rng` are new for each test. What the processes said is printed
    when a test fails."""

    installation = Installation
    options = {}
    load_options = {}
    agents = ("one", "two", "three")
    agent_config = {}
    it = None

    @classmethod
    def setUpClass(cls):
        cls.seed = seed_of_this_run()
        cls.it = cls.installation(**cls.options)
        try:
            cls.it.add_agents(*cls.agents, configs={name: cls.agent_config for name in cls.agents})
        except BaseException:
            sys.stderr.write(cls.it.tails())
            cls.it.close()
            raise

    @classmethod
    def tearDownClass(cls):
        faults, cls.it = cls.it.close(), None
        if faults:
            raise AssertionError("\n".join(faults))

    def setUp(self):
        self.rng = random.Random(f"{self.seed}-{self.id()}")
        self.load = AgentLoad(self.it, f"{self.seed}-{self.id()}", **self.load_options)
        self.addCleanup(self.load.close)

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before and self.it is not None:
            sys.stderr.write(f"\n=== after {self.id()}, seed {self.seed}\n{self.it.tails()}\n")

    def all_is_well(self, alone=False, timeout=120.0, at_least=20):
        """Once nothing fails any more, everything ends, and as it should."""
        took = self.load.finish(timeout)
        faults = self.load.check(alone)
        print(f"{self.load.summary}; all had ended after {took:.1f} s", flush=True)
        self.assertEqual(faults, [], f"seed {self.seed}")
        self.assertGreaterEqual(len(self.load.acknowledged), at_least)
        doctor = self.it.run("doctor")
        self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)

    # What tests of single tasks say.
    def state(self, task_id):
        return stubs.task.TaskState.Name(self.load.get(task_id).state)[len("TASK_STATE_"):]

    def await_state(self, task_id, state, timeout=30.0):
        wait_until(lambda: self.state(task_id) == state, f"{task_id} to be {state}: {self.load.get(task_id)}", timeout)
        return self.load.get(task_id)

    def await_running(self, task_id, generation=1, timeout=30.0):
        def there():
            task = self.load.get(task_id)
            return task if (task.generation, task.state) == (generation, stubs.task.TASK_STATE_RUNNING) else None
        return wait_until(there, f"{task_id} to run as generation {generation}", timeout)

    def await_end(self, task_id, timeout=30.0):
        ended = (stubs.task.TASK_STATE_SUCCEEDED, stubs.task.TASK_STATE_DEAD_LETTER)
        wait_until(lambda: self.load.get(task_id).state in ended, f"{task_id} to end", timeout)
        return self.load.get(task_id)

    def story(self, task_id):
        """(kind, cause, name of the agent) of each event, oldest first."""
        names = {agent.agent_id: agent.name for agent in self.it.agents.values()}
        return [(stubs.task.EventKind.Name(event.kind)[len("EVENT_KIND_"):], event.cause, names.get(event.agent_id, ""))
                for event in self.load.events(task_id)]

    def agent_of(self, task):
        return next(agent for agent in self.it.agents.values() if agent.agent_id == task.agent_id)
