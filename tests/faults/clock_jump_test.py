"""The wall clocks of single processes jump by minutes and hours, both ways, while sessions, leases, limits and backoffs run;
and processes start on hosts whose clock is wrong. Durations use the steady clock, moments that of the database: nothing
begins, ends or expires for it."""

import datetime
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import LONG, AgentFaultTest  # noqa: E402
from installation import SESSION_LEASE  # noqa: E402
from life_rules import read_runs, seconds  # noqa: E402
from troubled import TroubledInstallation  # noqa: E402
from waiting import wait_until  # noqa: E402

task_pb = stubs.task
MINUTE, HOUR = 60.0, 3600.0
# Limits of tasks, far below every jump. What they do comes late on a busy machine, early never.
LIMIT, LATE = 3.0, 15.0


class ClockJumpTest(AgentFaultTest):
    installation = TroubledInstallation
    load_options = {"submitters": 2}

    def everybody(self):
        return [*self.it.services(), *self.it.agents.values()]

    def jump(self, victim):
        by = self.rng.choice([-1, 1]) * self.rng.choice([2 * MINUTE, 20 * MINUTE, 3 * HOUR, 50 * HOUR])
        by *= self.rng.uniform(0.5, 1.5)
        print(f"the clock of {victim.name} is {by / MINUTE:+.1f} minutes off", flush=True)
        self.it.clocks.set(victim.name, by)

    def submit_limited(self, name, seconds=0.0, status=0, **fields):
        """Beside the load, which knows of no limits."""
        user = self.load.any(name)
        spec = self.load.spec(f"{self.load.run_id}-{name}", seconds, status, **{**fields, "project": "limits"})
        request = f"{self.load.run_id}-{name}"
        return self.load.repeat(lambda: user.SubmitTask(request_id=request, spec=spec)).task_id

    def times(self, task_id, kind):
        return [seconds(event.time) for event in self.load.events(task_id) if event.kind == kind]

    def ended(self, task_id):
        """Its end, and when that was."""
        def over():
            task = self.load.get(task_id)
            return task if task.state not in (task_pb.TASK_STATE_QUEUED, task_pb.TASK_STATE_ASSIGNED,
                                              task_pb.TASK_STATE_RUNNING) else None
        task = wait_until(over, f"{task_id} to end")
        return task, self.times(task_id, task_pb.EVENT_KIND_FINISHED)[0]

    def assert_took(self, length, least, what):
        print(f"{what} after {length:.2f} s", flush=True)
        self.assertGreaterEqual(length, least, what)
        self.assertLess(length, least + LATE, what)

    def test_the_clock_of_this_test_is_shifted(self):
        environment = {**os.environ, **self.it.clocks.environment("nobody")}
        for by in (0, -5 * HOUR, 70 * MINUTE):
            self.it.clocks.set("nobody", by)
            told = subprocess.run(["date", "+%s"], env=environment, capture_output=True, check=True)
            self.assertAlmostEqual(int(told.stdout), time.time() + by, delta=60)

    def test_clocks_that_jump_change_nothing(self):
        self.load.start().run_for(0.5)
        before, since = self.it.epochs(), time.time()
        backoff = self.submit_limited("backoff", status=1, retry_policy={"max_attempts": 2, "backoff": [{"seconds": 3}]})
        running = self.submit_limited("running", seconds=600, retry_policy={"max_attempts": 1},
                                      time_limits={"run": {"seconds": 3}})
        waiting = self.submit_limited("waiting", capabilities=["nobody:has"], time_limits={"time_to_live": {"seconds": 3}})
        # Stopped when its executor no longer trusts in its session.
        trusting = self.load.submit("trusting", seconds=4, network=True)
        for _ in range(30 if LONG else 2):
            victims = self.everybody()
            self.rng.shuffle(victims)
            for victim in victims:
                self.jump(victim)
                self.load.run_for(self.rng.uniform(0.1, 0.4))
        task, end = self.ended(running)
        self.assertEqual(task.state, task_pb.TASK_STATE_DEAD_LETTER, task)
        self.assert_took(end - seconds(task.history[0].accept_time), LIMIT, "the limit of what runs")
        task, end = self.ended(waiting)
        self.assertEqual(task.state, task_pb.TASK_STATE_EXPIRED, task)
        self.assert_took(end - seconds(task.create_time), LIMIT, "the limit of what waits")
        task, _ = self.ended(backoff)
        self.assertEqual(task.attempts, 2, task)
        self.assert_took(seconds(task.history[1].assign_time) - seconds(task.history[0].finish_time), LIMIT, "a backoff")
        self.assertEqual(self.ended(trusting)[0].generation, 1, self.story(trusting))
        # No session ended, none was opened anew, and no hub doubted an executor.
        self.assertEqual(self.it.epochs(), before)
        for name in self.it.agents:
            doubts = [change for change in self.it.transitions(name) if seconds(change.time) > since and change.to in
                      (stubs.agent_admin.AGENT_STATE_UNRESPONSIVE, stubs.agent_admin.AGENT_STATE_OFFLINE)]
            self.assertEqual(doubts, [], name)
        self.all_is_well(alone=True)

    def test_a_lease_ends_neither_early_nor_late(self):
        self.load.watch()
        task_id = self.load.submit("lost", seconds=1)
        agent = self.agent_of(self.await_running(task_id))
        wait_until(lambda: any(run.request.endswith("-lost") for run in read_runs(self.it.world_lines()).values()),
                   "the program to begin")
        killed = time.time()
        agent.kill()
        for _ in range(3):
            for victim in self.everybody():
                self.jump(victim)
            self.load.run_for(0.3)
        task = self.await_end(task_id)
        self.assertEqual([event.cause for event in self.load.events(task_id)
                          if event.kind == task_pb.EVENT_KIND_RETURNED], ["AGENT_LOST"], self.story(task_id))
        # It was renewed a while before.
        self.assert_took(seconds(task.history[0].finish_time) - killed, SESSION_LEASE / 2, "the end of a lease")
        agent.start(False)
        self.it.await_available()
        self.all_is_well(alone=True, at_least=1)

    def test_processes_that_start_with_a_wrong_clock(self):
        self.load.start().run_for(0.5)
        kinds = [self.it.queues, self.it.hubs, self.it.schedulers, list(self.it.agents.values()), [self.it.identity]]
        chosen = [self.rng.choice(kind) for kind in kinds]
        self.rng.shuffle(chosen)
        for victim in chosen + [self.rng.choice(self.rng.choice(kinds)) for _ in range(60 if LONG else 0)]:
            victim.kill()
            self.jump(victim)
            at = os.path.getsize(victim.log)
            victim.start(False)
            self.load.run_for(self.rng.uniform(0.3, 0.8))
            told = wait_until(lambda victim=victim, at=at: next(victim.lines(at), None), f"{victim.name} to say something")
            stamp = datetime.datetime.fromisoformat(told["ts"].replace("Z", "+00:00")).timestamp()
            self.assertAlmostEqual(stamp - time.time(), self.it.clocks.shifts[victim.name], delta=30)
        self.it.await_available()
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
