"""Readers that never read: executors, people who follow a log, people who watch. Memory stays bounded, others do not notice."""

import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import AgentFaultTest  # noqa: E402
from agents import command  # noqa: E402
from client import CallError, Connection  # noqa: E402
from cut_proxy import CutProxy  # noqa: E402
from stream_agent import StreamAgent, enroll  # noqa: E402
from waiting import wait_until  # noqa: E402

hub = stubs.agent_hub
DEAF = 8
SLOTS = 40
NUMBERS = 900_000
LOUD = sum(len(str(number)) + 1 for number in range(1, NUMBERS + 1))
OUTGOING = 1 << 20
# What a peer may cost, buffers of gRPC and of the allocator included, and what a process may grow by itself.
EACH, ANYWAY = 4 * OUTGOING, 48 << 20


def resident(process):
    """Bytes."""
    with open(f"/proc/{process.process.pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class DeafReaderTest(AgentFaultTest):
    agents = ("one", "two")
    options = {"hub": {"limits": {"outgoing_bytes": OUTGOING, "outgoing_messages": 100},
                       "penalty": {"first": "1h", "max": "1h"}}, "hubs": 1, "schedulers": 1, "replicas": 1}

    def setUp(self):
        super().setUp()
        self.load.watch()
        self.number = 0

    def proxy_to(self, process):
        proxy = CutProxy(process.address)
        self.addCleanup(proxy.close)
        return proxy

    def delay(self, count=11):
        """How long tasks of others take, in seconds; the median."""
        took = []
        for _ in range(count):
            self.number += 1
            began = time.monotonic()
            task_id = self.load.submit(f"other-{self.number}")
            wait_until(lambda task_id=task_id: self.state(task_id) == "SUCCEEDED", "a task of others", every=0.005)
            took.append(time.monotonic() - began)
        return sorted(took)[count // 2]

    def deaf_agents(self, proxy):
        made = {}
        for number in range(DEAF):
            name = f"deaf-{number}"
            _, token = enroll(self.it.hubs[0].address, self.it.tokens["admin"], name)
            made[name] = StreamAgent(proxy.address, token, slots=SLOTS, capabilities=["deaf"])
            self.addCleanup(made[name].drop)
        self.it.await_available(*made)
        return made

    def test_executors_that_do_not_read_are_cut_off(self):
        proxy = self.proxy_to(self.it.hubs[0])
        usual, before = self.delay(), resident(self.it.hubs[0])
        deaf = self.deaf_agents(proxy)
        proxy.stall("down")
        tasks = self.load.any("big")
        big = [stubs.queue.SubmitTaskRequest(
            request_id=f"{self.load.run_id}big{number}", spec=stubs.spec.TaskSpec(
                project="deaf", capabilities=["deaf"],
                command=stubs.spec.Command(argv=["true"], stdin=b"x" * 60_000))) for number in range(DEAF * SLOTS)]
        most, stop = [before], threading.Event()

        def speak():
            """Alive, and with a question in every word."""
            request = 0
            while not stop.wait(0.1):
                most[0] = max(most[0], resident(self.it.hubs[0]))
                for agent in deaf.values():
                    agent.beat()
                    # Few bytes: what the hub reads of them is acknowledged on the way that stands still.
                    for _ in range(20):
                        request += 1
                        agent.say(confirm=hub.Confirm(request=request, generation=1,
                                                      task_id="01900000-0000-7000-8000-000000000000"))
        speaking = threading.Thread(target=speak)
        speaking.start()
        try:
            ids = []
            for at in range(0, len(big), 40):
                answer = self.load.repeat(lambda at=at: tasks.SubmitTasks(tasks=big[at:at + 40]))
                self.assertFalse(any(result.error.reason for result in answer.results), answer.results[0].error)
                ids += [result.task.task_id for result in answer.results]
            meanwhile = self.delay()
            wait_until(lambda: all(self.it.show(name).penalty.violations for name in deaf), "all to be cut off", 30)
        finally:
            stop.set()
            speaking.join()
        print(f"the hub grew from {before >> 20} to {most[0] >> 20} MiB; tasks of others took {usual:.3f} s before and "
              f"{meanwhile:.3f} s meanwhile", flush=True)
        self.assertEqual({self.it.show(name).penalty.last_violation for name in deaf}, {"SLOW_READER"})
        self.assertLess(most[0] - before, DEAF * EACH + ANYWAY)
        self.assertLess(meanwhile, usual * 3 + 0.2)
        self.load.repeat(lambda: tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=ids), reason="it is over"))
        if os.environ.get("DBG"):
            for size in (50, 100, 200, 300, 1000):
                try:
                    print(size, len(tasks.ListTasks(page_size=size).tasks))
                except CallError as e:
                    print(size, e)
        self.all_is_well()

    def follow(self, service, process, **what):
        """Streams that nobody reads; how they ended, once somebody looks."""
        proxy = self.proxy_to(process)
        streams = []
        for _ in range(3 * DEAF):
            connection = Connection(proxy.address, self.it.tokens["admin"])
            self.addCleanup(connection.close)
            name, method = service.split(".")
            streams.append(getattr(getattr(connection, name), method)(**what))
        return streams

    def read_late(self, stream):
        """All of it, or the reason why no more comes."""
        def enough():
            return sum(len(chunk.data) for message in stream.messages for chunk in message.chunks) >= LOUD or stream.error
        stream.start()
        wait_until(enough, "what was printed, or a reason")
        if stream.error is not None:
            self.assertEqual(stream.error.reason, "SLOW_READER")
            return
        text = b"".join(chunk.data for message in stream.messages for chunk in message.chunks)
        self.assertEqual(text, b"".join(b"%d\n" % number for number in range(1, NUMBERS + 1)))

    def test_people_who_do_not_read_cost_little(self):
        usual = self.delay()
        loud = self.load.repeat(lambda: self.load.any("loud").SubmitTask(
            request_id=f"{self.load.run_id}loud", spec=command("/usr/bin/seq", "1", str(NUMBERS), project="loud"))).task_id
        before = {process.name: resident(process) for process in (self.it.hubs[0], self.it.queues[0])}
        logs = self.follow("agents.ReadTaskLog", self.it.hubs[0], task_id=loud, follow=True)
        watches = self.follow("tasks.WatchTasks", self.it.queues[0])
        self.await_end(loud)
        rounds = [self.load.submit(f"much-{number}") for number in range(20)]
        meanwhile = self.delay()
        for task_id in rounds:
            self.await_end(task_id)
        for process in (self.it.hubs[0], self.it.queues[0]):
            grown = resident(process) - before[process.name]
            print(f"{process.name} grew by {grown >> 20} MiB for {len(logs)} readers that do not read", flush=True)
            self.assertLess(grown, len(logs) * EACH + ANYWAY)
        print(f"tasks of others took {usual:.3f} s before and {meanwhile:.3f} s meanwhile", flush=True)
        self.assertLess(meanwhile, usual * 3 + 0.2)
        self.read_late(logs[0])
        for stream in logs + watches:
            stream.cancel()
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
