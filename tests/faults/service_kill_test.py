"""Any one process killed without warning while executors work: nothing is lost, nobody owns what another has."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import LONG, AgentFaultTest  # noqa: E402


class ServiceKillTest(AgentFaultTest):
    def victims(self):
        """Each kind once, and in a long run many more."""
        kinds = [self.it.queues, self.it.hubs, self.it.schedulers, list(self.it.agents.values()), [self.it.identity]]
        chosen = [self.rng.choice(kind) for kind in kinds]
        self.rng.shuffle(chosen)
        return chosen + [self.rng.choice(self.rng.choice(kinds)) for _ in range(200 if LONG else 0)]

    def test_killed_processes_lose_nothing_and_do_nothing_twice(self):
        self.load.start().run_for(1)
        for victim in self.victims():
            print(f"kill -9 {victim.name}", flush=True)
            victim.kill()
            self.load.run_for(self.rng.uniform(0, 1.0))
            victim.start(False)
            self.load.run_for(self.rng.uniform(0.3, 1.0))
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
