"""The network between hub and executor cut in every way at once, an executor for each: both ways, one way, half-closed on
either side, slow. What was cut runs elsewhere, what was not stays, and nobody believes in a dead stream for long."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import AgentFaultTest  # noqa: E402
from installation import HEARTBEAT, KEEPALIVE, state_name  # noqa: E402
from life_rules import seconds  # noqa: E402
from waiting import wait_until  # noqa: E402

# What the hub notices by heartbeats; what an executor notices by keepalive alone is bounded by the row itself.
NOTICED = 4 * HEARTBEAT
LONGEST_BELIEF = 2 * KEEPALIVE
# Runs for so long: shorter than the cut for those whose end is to come meanwhile, and than what an executor trusts in
# its lease without a word.
# What "down" runs ends while its executor still trusts in its session; it begins last, so that it runs when the cut comes.
LENGTHS = {"both": 3, "up": 3, "client-kept": 3, "server-kept": 6, "slow": 4, "down": 1}


class NetworkTest(AgentFaultTest):
    agents = ()
    load_options = {"submitters": 1, "pause": 0.3}

    def setUp(self):
        super().setUp()
        self.it.add_agents(*LENGTHS, configs={name: {"capabilities": [f"at:{name}"]} for name in LENGTHS})
        self.load.watch()

    def begin(self, name, network=False):
        task_id = self.load.submit(f"task-{name}{'-network' * network}", seconds=LENGTHS[name], network=network,
                                   capabilities=[f"at:{name}"])
        task = self.await_running(task_id)
        self.assertEqual(self.agent_of(task).name, name)
        return task_id

    def cut(self):
        agents = self.it.agents
        agents["both"].each("stall")
        agents["up"].each("stall", "up")
        agents["down"].each("stall", "down")
        agents["client-kept"].each("abandon", "client")
        agents["server-kept"].each("abandon", "server")
        agents["slow"].each("set", latency=0.15, jitter=0.1, bandwidth=50_000, slice=100)

    def unbelieved(self, name, since):
        """Seconds until a hub no longer believed in the stream."""
        def gone():
            for change in self.it.transitions(name):
                at = seconds(change.time)
                if at > since and change.to in (stubs.agent_admin.AGENT_STATE_UNRESPONSIVE,
                                                stubs.agent_admin.AGENT_STATE_OFFLINE):
                    return at - since
            return None
        return wait_until(gone, f"the hub to notice that {name} is cut off; it is {state_name(self.it.show(name))}")

    def noticed(self, name, at, since):
        """Seconds until the executor no longer believed in the stream."""
        line = self.it.agents[name].wait_for_line("not connected", at, timeout=LONGEST_BELIEF + 10)
        print(f"{name}: {line['reason']} {line['error']}", flush=True)
        return time.time() - since

    def test_a_network_that_is_cut(self):
        # Of each pair one has effects beyond its workspace: it must never run twice at once.
        tasks = {name: [self.begin(name), self.begin(name, network=True)] for name in LENGTHS}
        self.load.start()
        at = {name: agent.position() for name, agent in self.it.agents.items()}
        since = time.time()
        self.cut()
        # Afterwards, so that nothing ends while it starts; what is lost waits for it.
        self.it.add_agents("spare", configs={"spare": {"capabilities": [f"at:{name}" for name in LENGTHS], "slots": 12}})
        spare = self.it.agents["spare"].agent_id

        for name in ("both", "up", "client-kept"):
            belief = self.unbelieved(name, since)
            self.assertLess(belief, NOTICED, name)
            print(f"{name}: the hub noticed after {belief:.1f} s", flush=True)
        for name in ("both", "up", "client-kept"):
            for task_id in tasks[name]:
                task = self.await_end(task_id)
                self.assertEqual([attempt.agent_id for attempt in task.history],
                                 [self.it.agents[name].agent_id, spare], self.story(task_id))
                self.assertIn(("RETURNED", "AGENT_LOST", name), self.story(task_id))
        # Its words arrive, the answers do not: the end counts, and counts once when it is said again.
        for name in ("down", "server-kept", "slow"):
            for task_id in tasks[name]:
                task = self.await_end(task_id)
                self.assertEqual([attempt.agent_id for attempt in task.history], [self.it.agents[name].agent_id],
                                 self.story(task_id))
        self.load.stop_submitting()
        for name in ("down", "client-kept"):
            belief = self.noticed(name, at[name], since)
            print(f"{name}: the executor noticed after {belief:.1f} s", flush=True)
            self.assertLess(belief, LONGEST_BELIEF, name)
        for agent in self.it.agents.values():
            agent.heal()
        self.it.await_available()
        for name in ("both", "down"):
            agent = self.it.agents[name]
            wait_until(lambda agent=agent: " 0 undelivered" in agent.run("doctor").stdout, f"the last words of {name}",
                       timeout=30, every=0.5)
        for name in LENGTHS:
            wait_until(lambda name=name: self.it.show(name).held_tasks == 0, f"{name} to hold nothing")
        self.all_is_well(alone=True)


if __name__ == "__main__":
    unittest.main()
