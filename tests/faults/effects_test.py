"""Work with effects beyond its workspace, while the network between hub and executors fails at random: whoever is cut off
stops it before somebody else begins it anew."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import LONG, AgentFaultTest  # noqa: E402
from installation import SESSION_LEASE  # noqa: E402


class EffectsTest(AgentFaultTest):
    # Slots for all, wherever they go.
    agents = ("one", "two", "three")
    load_options = {"submitters": 1, "pause": 0.4}

    def cut_off(self, agent):
        """In any way, and for longer than the lease or nearly so."""
        how = self.rng.choice(["reset", "reset", "stall", "up", "abandon"])
        length = SESSION_LEASE + self.rng.uniform(-1.0, 3.0)
        print(f"{agent.name} is cut off ({how}) for {length:.1f} s", flush=True)
        if how == "reset":
            agent.each("refuse")
            agent.each("reset")
        elif how == "abandon":
            agent.each("stall")
            agent.each("abandon", "client")
        else:
            agent.each("stall", "up" if how == "up" else "both")
        self.load.run_for(length)
        agent.heal()
        self.load.run_for(self.rng.uniform(0.5, 1.5))

    def test_nothing_with_effects_runs_twice_at_once(self):
        self.load.start()
        for number in range(40 if LONG else 2):
            # Something for each to lose, long enough to be at it when the lease ends.
            begun = [self.load.submit(f"effects-{number}-{each}", seconds=7, network=True) for each in range(3)]
            for task_id in begun:
                self.await_running(task_id)
            victims = [agent for agent in self.it.agents.values()
                       if any(self.load.get(task_id).agent_id == agent.agent_id for task_id in begun)]
            self.cut_off(self.rng.choice(victims))
        self.all_is_well(alone=True)


if __name__ == "__main__":
    unittest.main()
