"""Any one process stands still while executors work, for longer and for shorter than its leases, and goes on where it was."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import LONG, AgentFaultTest  # noqa: E402
from installation import SESSION_LEASE  # noqa: E402


class ServiceStallTest(AgentFaultTest):
    def victims(self):
        kinds = [self.it.queues, self.it.hubs, self.it.schedulers, list(self.it.agents.values())]
        chosen = [self.rng.choice(kind) for kind in kinds]
        self.rng.shuffle(chosen)
        return chosen + [self.rng.choice(self.rng.choice(kinds)) for _ in range(150 if LONG else 0)]

    def test_processes_that_stood_still_do_no_harm(self):
        self.load.start().run_for(1)
        for number, victim in enumerate(self.victims()):
            # The first one long enough that others take over what it held.
            stood = self.rng.uniform(SESSION_LEASE, SESSION_LEASE + 2) if number == 0 else self.rng.uniform(0.2, 2.5)
            print(f"SIGSTOP {victim.name} for {stood:.1f} s", flush=True)
            victim.pause()
            self.load.run_for(stood)
            victim.resume()
            self.load.run_for(self.rng.uniform(0.5, 1.0))
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
