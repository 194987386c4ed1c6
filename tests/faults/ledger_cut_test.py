"""The network between hubs and the task queue fails in every way while executors work: slow, stalled either way, half-open,
reset, refused, cut. A hub that cannot renew says nothing that it does not know, and what is lost runs elsewhere, once."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import LONG, AgentFaultTest  # noqa: E402
from installation import KEEPALIVE, SESSION_LEASE  # noqa: E402
from stream_agent import StreamAgent, enroll  # noqa: E402
from troubled import TroubledInstallation  # noqa: E402
from waiting import wait_until  # noqa: E402

# Longer than a session lives without a renewal.
OUTLASTS = SESSION_LEASE + 1.5


class LedgerCutTest(AgentFaultTest):
    installation = TroubledInstallation
    agents = ("one", "two", "three", "four")
    load_options = {"submitters": 2}

    def cut(self, way):
        way.cut_after(self.rng.randrange(5_000), self.rng.choice(["up", "down"]),
                      self.rng.choice(["reset", "close", "stall"]))

    @staticmethod
    def refuse(way):
        way.refuse()
        way.reset()

    def faults(self):
        """(name, seconds, what it does to a way), each kind once, and in a long run many more."""
        kinds = [("stalled", OUTLASTS, lambda way: way.stall()),
                 ("stalled up", 2.0, lambda way: way.stall("up")),
                 ("stalled down", 2.0, lambda way: way.stall("down")),
                 ("reset", 0.3, lambda way: way.reset()),
                 ("refused", 1.5, self.refuse),
                 ("half-open for the hub", 2.0, lambda way: way.abandon("client")),
                 ("half-open for the task queue", 1.0, lambda way: way.abandon("server")),
                 ("cut after some bytes", 1.5, self.cut)]
        chosen = kinds[:]
        self.rng.shuffle(chosen)
        chosen += [self.rng.choice(kinds) for _ in range(150 if LONG else 0)]
        for name, length, begin in chosen:
            yield name, length * (self.rng.uniform(0.3, 2.0) if LONG else 1.0), begin

    def hold_nothing(self):
        self.it.await_available()
        for name in self.it.agents:
            wait_until(lambda name=name: self.it.show(name).held_tasks == 0, f"{name} to hold nothing")

    def test_a_slow_network_costs_no_session(self):
        self.load.start().run_for(0.5)
        before = self.it.epochs()
        for way in self.it.ways.values():
            way.set(latency=0.1, jitter=0.1, bandwidth=500_000, slice=500)
        self.load.run_for(SESSION_LEASE + 1)
        self.assertEqual(self.it.epochs(), before)
        for way in self.it.ways.values():
            way.heal()
        self.all_is_well(alone=True, at_least=10)
        self.hold_nothing()

    def test_a_network_that_fails(self):
        # What runs when a hub is cut off for longer than its sessions live, also with effects beyond its workspace.
        self.load.start()
        for name, length, begin in self.faults():
            hubs = list(self.it.ways) if self.rng.random() < 0.3 else [self.rng.choice(list(self.it.ways))]
            if length > SESSION_LEASE:
                for number in range(6):
                    self.load.submit(f"long-{time.monotonic_ns()}-{number}", seconds=4, network=number % 2 == 0)
                self.load.run_for(0.5)
            print(f"{name} for {length:.1f} s: {' '.join(hubs)}", flush=True)
            for hub in hubs:
                begin(self.it.ways[hub])
            self.load.run_for(length)
            for hub in hubs:
                self.it.ways[hub].heal()
            self.load.run_for(self.rng.uniform(0.2, 0.6))
        self.all_is_well(alone=True)
        self.hold_nothing()

    def test_a_hello_that_was_held_up_takes_nothing_over(self):
        self.load.watch()
        agent_id, token = enroll(self.it.hubs[0].address, self.it.tokens["admin"], "late")
        live = StreamAgent(self.it.hubs[1].address, token, capabilities=["at:late"], connection=6)
        self.addCleanup(live.drop)
        epoch = live.wait("welcome").session_epoch
        task_id = self.load.submit("kept", capabilities=["at:late"])
        assignment = live.next()
        live.accept(assignment)
        # As it would have come while its hub could not reach the ledger.
        late = StreamAgent(self.it.hubs[0].address, token, capabilities=["at:late"], connection=5)
        self.addCleanup(late.drop)
        self.assertEqual(late.end().reason, "STALE_CONNECTION")
        self.assertEqual([message.goodbye.connection for message in late.messages], [6])
        self.assertEqual(self.it.epochs()[agent_id], epoch)
        live.beat()
        live.acknowledged(live.complete(assignment, summary="done"))
        self.assertEqual([attempt.generation for attempt in self.await_end(task_id).history], [1], self.story(task_id))
        self.assertFalse(live.ended.is_set())
        # The next one does take over.
        following = StreamAgent(self.it.hubs[0].address, token, connection=7)
        self.addCleanup(following.drop)
        self.assertGreater(following.wait("welcome").session_epoch, epoch)
        self.assertIn(live.end().reason, ("SESSION_SUPERSEDED", "SESSION_LOST"))

    @unittest.skipUnless(LONG, "takes two keepalive periods")
    def test_a_hub_does_not_believe_in_a_half_open_connection_for_long(self):
        self.load.start().run_for(1)
        before = self.it.epochs()
        for way in self.it.ways.values():
            way.abandon("client")
        since = time.monotonic()
        # Nobody heals it: the hubs notice by themselves and dial again, and all agents have sessions anew.
        wait_until(lambda: all(epoch > before[agent] for agent, epoch in self.it.epochs(live=True).items()) and
                   len(self.it.epochs(live=True)) == len(before), "every agent to have a session again",
                   timeout=2 * KEEPALIVE, every=0.2)
        print(f"all sessions are new after {time.monotonic() - since:.1f} s", flush=True)
        self.all_is_well(alone=True)
        self.hold_nothing()


if __name__ == "__main__":
    unittest.main()
