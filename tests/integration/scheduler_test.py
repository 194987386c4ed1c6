"""The scheduler as a process over a real task queue: assignments, standby, outages, and why a task waits."""

import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import Agent  # noqa: E402
from client import Connection  # noqa: E402
from fake_hub import FakeHub  # noqa: E402
from stack import Process, StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

admin = stubs.scheduler_admin
# As an installation has it.
LEASE = {"time": {"session_lease": "10m", "shard_lease": "3s", "sweep_interval": "50ms"}}


class SchedulerTest(StackTest):
    options = {"settings": LEASE}

    def setUp(self):
        super().setUp()
        self.hub = FakeHub()
        self.addCleanup(self.hub.close)
        self.processes, self.ids = [], []
        self.addCleanup(self.end)

    def end(self):
        for process in self.processes:
            self.assertEqual(process.stop(), 0, process.tail())
        # Other tests count what is dispatched.
        if self.ids:
            self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=self.ids))
        for item in self.hub.items:
            given = item.assignment
            self.ledger.ReportTasks(reports=[stubs.ledger.TaskReport(
                task_id=given.task_id, generation=given.generation, agent_id=item.agent_id,
                session_epoch=item.session_epoch, released=stubs.ledger.ReleasedReport(reason="over"))])

    def submit(self, *argv, **fields):
        self.ids.append(super().submit(*argv, **fields))
        return self.ids[-1]

    def start(self, ready=True, **settings):
        token = os.path.join(self.stack.folder, "service.token")
        name = f"scheduler-{self.id().rsplit('.', 1)[-1]}-{len(self.processes)}"
        process = Process(self.stack, "switchyard-scheduler", name, {
            "server": self.stack.server_section({}),
            "auth": {"identity_address": self.stack.identity.address, "token": f"file:{token}"},
            "task_queue": {"address": self.stack.queues[0].address},
            "hub_addresses": [self.hub.address],
            "scheduler": settings})
        self.processes.append(process)
        return process.start(ready)

    def admin_of(self, process):
        connection = Connection(process.address, self.stack.tokens["read"])
        self.addCleanup(connection.close)
        return connection.scheduling

    @staticmethod
    def stopped(process):
        with open(f"/proc/{process.process.pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(") ", 1)[1][0] == "T"

    def new_agent(self, credits=10, **fields):
        agent = Agent(self.ledger, None)
        agent.open()
        self.hub.put(agent, credits, **fields)
        return agent

    def finish(self, agent, item):
        given = item.assignment
        agent.expect(agent.accept(given.task_id, given.generation))
        agent.expect(agent.finish(given.task_id, given.generation))

    def test_a_submitted_task_reaches_an_agent_at_once(self):
        agent = self.new_agent()
        process = self.start()
        scheduling = self.admin_of(process)
        wait_until(lambda: scheduling.ListShards().feed_live, "the feed")
        wait_until(lambda: scheduling.ListShards().free_credits == 10, "credits")
        took = []
        for count in range(1, 11):
            begin = time.monotonic()
            task_id = self.submit("true")
            item = self.hub.wait_items(count)[count - 1]
            took.append(time.monotonic() - begin)
            self.assertEqual(item.assignment.task_id, task_id)
            self.assertEqual(item.agent_id, agent.name)
            self.assertEqual(list(item.assignment.spec.command.argv), ["true"])
            self.assertGreater(item.assignment.accept_by.seconds, 0)
        self.assertLess(sorted(took)[5], 0.5)
        for item in self.hub.items:
            self.finish(agent, item)
        self.assertEqual(self.state(self.hub.items[0].assignment.task_id), "SUCCEEDED")

    def test_work_from_before_its_start_is_read_and_credits_are_kept(self):
        ids = {self.submit() for _ in range(25)}
        agent = self.new_agent(credits=4)
        self.start()
        self.hub.wait_items(4)
        for round_ in range(21):
            self.finish(agent, self.hub.items[round_])
            self.hub.grant(agent)
            self.hub.wait_items(5 + round_)
        self.assertEqual({item.assignment.task_id for item in self.hub.items}, ids)

    def test_a_standby_takes_over_within_five_seconds(self):
        agent = self.new_agent(credits=1000)
        first = self.start()
        wait_until(lambda: self.hub.schedulers, "the first to watch")
        second = self.start()
        self.assertEqual(len(self.admin_of(second).ListShards().shards), 0)
        task_id = self.submit()
        self.fails("SCHEDULER_STANDBY", self.admin_of(second).ExplainTask, task_id=task_id)
        self.hub.wait_items(1)
        first.kill()
        begin = time.monotonic()
        waiting = self.submit()
        items = self.hub.wait_items(2, timeout=15)
        took = time.monotonic() - begin
        self.assertEqual(items[1].assignment.task_id, waiting)
        self.assertLess(took, 5)
        self.assertEqual(len(self.admin_of(second).ListShards().shards), 16)
        self.finish(agent, items[1])
        self.processes.remove(first)

    def test_one_that_stops_hands_over_at_once(self):
        self.new_agent(credits=1000)
        first = self.start()
        wait_until(lambda: self.hub.schedulers, "the first to watch")
        second = self.start()
        self.assertEqual(first.stop(), 0)
        begin = time.monotonic()
        self.submit()
        self.hub.wait_items(1)
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual(len(self.admin_of(second).ListShards().shards), 16)

    def test_one_that_was_frozen_does_no_harm(self):
        agent = self.new_agent(credits=1000)
        first = self.start()
        wait_until(lambda: self.hub.schedulers, "the first to watch")
        self.start()
        first.signal(signal.SIGSTOP)
        wait_until(lambda: self.stopped(first), "the first to stand still")
        ids = [self.submit() for _ in range(20)]
        self.hub.wait_items(20)
        first.signal(signal.SIGCONT)
        ids += [self.submit() for _ in range(20)]
        self.hub.wait_items(40)
        time.sleep(0.5)
        given = [item.assignment.task_id for item in self.hub.items]
        self.assertEqual(sorted(given), sorted(ids))
        for item in self.hub.items:
            self.finish(agent, item)

    def test_two_share_the_shards(self):
        self.new_agent(credits=1000)
        first, second = self.start(shards=8), self.start(shards=8)
        for process in (first, second):
            scheduling = self.admin_of(process)
            wait_until(lambda: len(scheduling.ListShards().shards) == 8, "half of the shards")
        ids = sorted(self.submit() for _ in range(60))
        self.assertEqual(sorted(item.assignment.task_id for item in self.hub.wait_items(60)), ids)

    def test_lost_tasks_go_to_another_agent_first(self):
        one = self.new_agent(credits=1)
        self.start()
        task_id = self.submit()
        item = self.hub.wait_items(1)[0]
        one.expect(one.reject(task_id, item.assignment.generation))
        two = self.new_agent(credits=1)
        self.hub.grant(one)
        again = self.hub.wait_items(2)[1]
        self.assertEqual((again.assignment.task_id, again.agent_id), (task_id, two.name))

    def test_it_outlives_a_restart_of_the_task_queue(self):
        agent = self.new_agent(credits=1000)
        self.start()
        self.submit()
        self.hub.wait_items(1)
        self.stack.queues[0].kill()
        self.stack.queues[0].start()
        self.finish(agent, self.hub.items[0])
        self.submit()
        self.hub.wait_items(2)

    def test_it_says_why_a_task_waits(self):
        process = self.start()
        scheduling = self.admin_of(process)

        def await_reason(task_id, reason):
            wanted = admin.WaitReason.Value(f"WAIT_REASON_{reason}")
            return wait_until(
                lambda: next((why for why in [scheduling.ExplainTask(task_id=task_id)] if why.reason == wanted), None),
                f"{reason}: {scheduling.ExplainTask(task_id=task_id)}")

        wait_until(lambda: scheduling.ListShards().feed_live, "the feed")
        gpu = self.submit(capabilities=["gpu"])
        self.assertEqual(await_reason(gpu, "NO_AGENT").explanation, "No agent is connected.")
        agent = self.new_agent(credits=0, capabilities=["os:linux"])
        why = await_reason(gpu, "NO_FITTING_AGENT")
        self.assertEqual(list(why.missing_capabilities), ["gpu"])
        self.assertEqual(why.agents[0].ruled_out, admin.RULED_OUT_MISSING_CAPABILITY)
        plain = self.submit()
        self.assertEqual(await_reason(plain, "AGENTS_BUSY").agents[0].name, agent.name)
        effects = self.submit(effects=stubs.spec.EFFECTS_NETWORK)
        self.assertEqual(list(await_reason(effects, "NO_FITTING_AGENT").missing_features), ["confirm"])
        self.hub.put(agent, 1, available=False, reason="DRAINING")
        self.assertEqual(await_reason(plain, "AGENTS_UNAVAILABLE").agents[0].detail, "DRAINING")
        later = self.submit(start_time={"seconds": int(time.time()) + 3600})
        self.assertGreater(await_reason(later, "DELAYED").until.seconds, time.time() + 3000)
        self.tasks.PauseQueue(target=stubs.queue.QueueTarget(project=self.project))
        await_reason(plain, "PROJECT_PAUSED")
        self.tasks.ResumeQueue(target=stubs.queue.QueueTarget(project=self.project))
        self.hub.put(agent, 1)
        self.hub.wait_items(1)
        self.assertIn(agent.name, await_reason(plain, "NOT_WAITING").explanation)
        self.fails("TASK_NOT_FOUND", scheduling.ExplainTask, task_id="01900000-0000-7000-8000-000000000000")
        self.fails("INVALID_FIELD", scheduling.ExplainTask, task_id="x")

    def test_tasks_that_nobody_can_do_do_not_stand_before_others(self):
        agent = self.new_agent(credits=5)
        process = self.start(window=50, bucket_window=20, parked_window=4)
        scheduling = self.admin_of(process)
        for _ in range(300):
            self.submit(capabilities=["nobody"])
        ids = sorted(self.submit() for _ in range(5))
        self.assertEqual(sorted(item.assignment.task_id for item in self.hub.wait_items(5)), ids)
        self.assertLess(scheduling.ListShards().waiting, 20)
        able = self.new_agent(credits=300, capabilities=["nobody"])
        self.hub.wait_items(305)
        self.assertEqual({item.agent_id for item in self.hub.items[5:]}, {able.name})
        self.assertNotEqual(able.name, agent.name)


if __name__ == "__main__":
    unittest.main()
