"""Everything at once, at random: processes killed, frozen and stopped, clocks that jump, Postgres crashed, frozen and with a
transaction held open, every way cut, all executors dropped at once, readers that never read; the load goes on through it.
Then the faults end, and all must end as it should.

The short form takes less than a minute; --long takes an hour, --minutes says otherwise. A long run goes in rounds: after each
the faults end, and what became of its tasks is checked. --seed repeats the faults of a run: which, on whom, when and for how
long."""

import argparse
import faulthandler
import heapq
import itertools
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import LONG, AgentFaultTest  # noqa: E402
from agent_load import AgentLoad  # noqa: E402
from client import Connection  # noqa: E402
from cut_proxy import CutProxy  # noqa: E402
from troubled import TroubledInstallation  # noqa: E402
from waiting import wait_until  # noqa: E402

SHORT_MINUTES, LONG_MINUTES, ROUND_MINUTES = 0.5, 60.0, 5.0
MINUTE, HOUR = 60.0, 3600.0


class Faults:
    """Each begins and ends one fault on one victim; a victim has one at a time."""

    def __init__(self, it, rng):
        self.it, self.rng = it, rng
        self.busy = set()
        ways = [(agent, proxy) for agent in it.agents.values() for proxy in agent.proxies]
        ledger_ways = [(hub, it.ways[hub.name]) for hub in it.hubs]
        services, agents = it.services(), list(it.agents.values())
        self.sessions, self.readers = {}, {}
        self.kinds = [
            # (weight, name, victims, longest, begin, end)
            (4, "kill -9", services, 2.0, self.kill, self.start),
            (3, "SIGSTOP", services, 6.0, lambda victim: victim.pause(), lambda victim: victim.resume()),
            (2, "SIGTERM", services, 1.0, self.stop, self.start),
            (2, "kill -9", agents, 6.0, self.kill, self.start),
            (2, "SIGSTOP", agents, 8.0, lambda victim: victim.pause(), lambda victim: victim.resume()),
            (1, "SIGTERM", agents, 1.0, self.stop, self.start),
            (2, "Postgres crashes", [it.postgres], 3.0, lambda postgres: postgres.stop_immediately(),
             lambda postgres: postgres.start()),
            (2, "Postgres stands still", [it.postgres], 3.0, lambda postgres: postgres.stall(),
             lambda postgres: postgres.resume()),
            (3, "stalled", ways, 8.0, self.stall, self.heal),
            (3, "slow", ways, 6.0, self.slow, self.heal),
            (2, "reset", ways, 0.0, lambda way: way[1].reset(), self.heal),
            (2, "refused", ways, 4.0, self.refuse, self.heal),
            (2, "half-closed", ways, 5.0, lambda way: way[1].abandon(self.rng.choice(["client", "server"])), self.heal),
            (2, "cut after some bytes", ways, 5.0, self.cut, self.heal),
            (1, "stalled before the ledger", ledger_ways, 7.0, self.stall, self.heal),
            (1, "slow before the ledger", ledger_ways, 5.0, self.slow, self.heal),
            (1, "reset before the ledger", ledger_ways, 0.0, lambda way: way[1].reset(), self.heal),
            (1, "half-closed before the ledger", ledger_ways, 4.0,
             lambda way: way[1].abandon(self.rng.choice(["client", "server"])), self.heal),
            (1, "cut after some bytes before the ledger", ledger_ways, 4.0, self.cut, self.heal),
            (2, "another clock", [Clock(it, victim.name) for victim in [*services, *agents]], 20.0, self.shift, self.unshift),
            (1, "all executors dropped", [Fleet(ways)], 3.0, self.drop, self.take_up),
            (1, "a reader that never reads", it.queues, 8.0, self.read_not, self.read_no_more),
            (1, "a transaction held open", [it.postgres], 8.0, self.hold_open, self.let_go),
        ]

    def draw(self):
        """(what for people, seconds, begin, end) or None when the victim is taken."""
        weights = [kind[0] for kind in self.kinds]
        _, name, victims, longest, begin, end = self.rng.choices(self.kinds, weights)[0]
        victim, length = self.rng.choice(victims), self.rng.random() * longest
        # One fault may hide another of the same executor's ways, not of the same way; clocks jump whatever else happens.
        key = id(victim[1]) if isinstance(victim, tuple) else id(victim)
        if name == "a reader that never reads":
            key = (name, key)
        if key in self.busy:
            return None
        self.busy.add(key)
        who = victim[0].name if isinstance(victim, tuple) else getattr(victim, "name", "")

        def over():
            end(victim)
            self.busy.discard(key)
        return f"{name} {who}", length, lambda: begin(victim), over

    @staticmethod
    def kill(victim):
        victim.kill()

    def stop(self, victim):
        code = victim.stop()
        if code != 0:
            raise AssertionError(f"{victim.name} ended with {code}:\n{victim.tail()}")

    @staticmethod
    def start(victim):
        victim.start(False)

    def stall(self, way):
        way[1].stall(self.rng.choice(["both", "up", "down"]))

    def slow(self, way):
        way[1].set(latency=self.rng.random() * 0.3, jitter=self.rng.random() * 0.3,
                   bandwidth=self.rng.choice([0, 2_000, 20_000]), slice=self.rng.choice([0, 1, 50]))

    def cut(self, way):
        way[1].cut_after(self.rng.randrange(5_000), self.rng.choice(["up", "down"]),
                         self.rng.choice(["reset", "close", "stall"]))

    @staticmethod
    def refuse(way):
        way[1].refuse()
        way[1].reset()

    @staticmethod
    def heal(way):
        way[1].heal()

    def shift(self, clock):
        clock.it.clocks.set(clock.name, self.rng.choice([-1, 1]) * self.rng.choice([2 * MINUTE, HOUR, 30 * HOUR]))

    @staticmethod
    def unshift(clock):
        clock.it.clocks.set(clock.name, 0)

    def drop(self, fleet):
        for way in fleet.ways:
            self.refuse(way)

    def take_up(self, fleet):
        for way in fleet.ways:
            self.heal(way)

    def read_not(self, queue):
        proxy = CutProxy(queue.address)
        connection = Connection(proxy.address, self.it.tokens["admin"])
        self.readers[queue] = proxy, connection, connection.tasks.WatchTasks()
        proxy.stall("down")

    def read_no_more(self, queue):
        proxy, connection, stream = self.readers.pop(queue)
        stream.call.cancel()
        connection.close()
        proxy.close()

    def hold_open(self, postgres):
        self.sessions[postgres] = postgres.session()
        self.sessions[postgres].run("BEGIN; SELECT pg_current_xact_id()")

    def let_go(self, postgres):
        self.sessions.pop(postgres).close()


class Clock:
    """That of one process."""

    def __init__(self, it, name):
        self.it, self.name = it, name


class Fleet:
    """All ways of all executors."""

    name = ""

    def __init__(self, ways):
        self.ways = ways


class ChaosTest(AgentFaultTest):
    installation = TroubledInstallation
    minutes = LONG_MINUTES if LONG else SHORT_MINUTES
    round_minutes = ROUND_MINUTES
    agents = ("one", "two", "three", "four")
    options = {"durable": True,
               "environment": {"SWITCHYARD_FAILPOINTS": "commit_answer_lost=0.01,before_commit_disconnect=0.01"}}
    load_options = {"submitters": 2, "pause": 0.2}

    def check_alive(self):
        self.load.check_alive()
        for process in [*self.it.services(), *self.it.agents.values()]:
            if process.process is not None and process.process.poll() is not None:
                raise AssertionError(f"{process.name} ended by itself with {process.process.returncode}:\n{process.tail()}")

    def go_through(self, faults, length):
        """How many faults there were in so many seconds; all are over."""
        began, order = time.monotonic(), itertools.count()
        due, next_fault, next_word, count = [], 0.0, MINUTE, 0
        while True:
            now = time.monotonic() - began
            if due and due[0][0] <= now:
                heapq.heappop(due)[2]()
            elif now >= length:
                break
            elif now >= next_word:
                next_word += MINUTE
                print(f"{now / MINUTE:.0f} minutes of this round: {count} faults, {len(self.load.acknowledged)} tasks "
                      "acknowledged", flush=True)
            elif now >= next_fault:
                next_fault = now + self.rng.expovariate(1.2)
                if (fault := faults.draw()) is not None:
                    what, duration, begin, end = fault
                    print(f"{now:8.1f} s: {what} for {duration:.1f} s", flush=True)
                    begin()
                    heapq.heappush(due, (time.monotonic() - began + duration, next(order), end))
                    count += 1
            else:
                time.sleep(0.01)
            self.check_alive()
        while due:
            heapq.heappop(due)[2]()
        return count

    def test_everything_at_once(self):
        began = time.monotonic()
        faults = Faults(self.it, self.rng)
        for number in itertools.count(1):
            self.load.start().run_for(1)
            left = began + self.minutes * MINUTE - time.monotonic()
            count = self.go_through(faults, min(left, self.round_minutes * MINUTE))
            self.all_is_well(timeout=120, at_least=5)
            self.check_alive()
            self.it.await_available()
            for name in self.it.agents:
                wait_until(lambda name=name: self.it.show(name).held_tasks == 0, f"{name} to hold nothing")
            gone = (time.monotonic() - began) / MINUTE
            print(f"round {number}: {count} faults; {gone:.1f} of {self.minutes:.1f} minutes", flush=True)
            # What would be left is not worth a round.
            if gone > self.minutes - 0.1:
                break
            self.load.close()
            self.load = AgentLoad(self.it, f"{self.seed}-{self.id()}-{number}", **self.load_options)
            self.addCleanup(self.load.close)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--round-minutes", type=float, default=ROUND_MINUTES)
    parser.add_argument("--long", action="store_true", help="an hour")
    options, rest = parser.parse_known_args()
    if options.seed is not None:
        os.environ["SWITCHYARD_TEST_SEED"] = str(options.seed)
    if options.long:
        ChaosTest.minutes = LONG_MINUTES
    if options.minutes is not None:
        ChaosTest.minutes = options.minutes
    ChaosTest.round_minutes = options.round_minutes
    # Whatever hangs: its tracebacks, and an end.
    faulthandler.dump_traceback_later(ChaosTest.minutes * MINUTE + 480, exit=True)
    unittest.main(argv=[sys.argv[0], *rest])
