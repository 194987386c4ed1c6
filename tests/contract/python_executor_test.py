"""An executor in another language, written only from the .proto files, works for the real hub.

PythonExecutor is the whole of it: one stream, a hello, heartbeats, and for each assignment an acceptance and an end that is
kept until it is acknowledged. It runs nothing but a small dictionary of its own.
"""

import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import grpc  # noqa: E402

import stubs  # noqa: E402
from fleet import FleetTest  # noqa: E402
from switchyard.agent.v1 import agent_admin_pb2 as admin_pb  # noqa: E402
from switchyard.agent.v1 import agent_hub_pb2 as pb  # noqa: E402
from switchyard.task_queue.v1 import task_pb2  # noqa: E402
from waiting import wait_until  # noqa: E402

PLUGIN = "/usr/bin/grpc_python_plugin"


class PythonExecutor:
    def __init__(self, address, token, slots=2):
        self.address, self.token, self.slots = address, token, slots
        self.held, self.unacknowledged = {}, {}  # (task, generation) -> state; number -> report
        self.next_number = 1
        self.restarted = True
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.states = []  # what the hub thought of us
        self.thread = threading.Thread(target=self._live, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        self.outbox.put(None)
        self.thread.join(10)

    def _live(self):
        while not self.stopping.is_set():
            self.outbox = queue.Queue()
            with grpc.insecure_channel(self.address) as channel:
                try:
                    self._serve(channel)
                except grpc.RpcError:
                    pass
            self.stopping.wait(0.3)

    def _serve(self, channel):
        from switchyard.agent.v1 import agent_hub_pb2_grpc
        self.last_assignment, beats = 0, 0
        self.outbox.put(pb.AgentMessage(hello=pb.Hello(
            min_protocol_version=1, max_protocol_version=1, features=["kind.command"], software_version="python 1",
            capabilities=["language:python"], slots=self.slots, held=self._held(), restarted=self.restarted,
            self_tests=[admin_pb.SelfTest(name="dictionary", passed=True)])))
        stream = agent_hub_pb2_grpc.AgentHubServiceStub(channel).Connect(
            self._outgoing(), metadata=[("authorization", f"Bearer {self.token}")])
        for message in stream:
            kind = message.WhichOneof("body")
            if kind == "welcome":
                self.restarted = False
                interval = message.welcome.heartbeat_interval
                self.interval = interval.seconds + interval.nanos / 1e9
                for task in message.welcome.drop:
                    self._forget((task.task_id, task.generation))
                with self.lock:
                    for report in self.unacknowledged.values():
                        self.outbox.put(pb.AgentMessage(reports=pb.ReportBatch(reports=[report])))
                beats += 1
                self._beat(beats)
            elif kind == "assign":
                for assignment in message.assign.assignments:
                    self._take(assignment)
            elif kind == "ack":
                with self.lock:
                    for number in [n for n in self.unacknowledged if n <= message.ack.through]:
                        report = self.unacknowledged.pop(number)
                        if report.WhichOneof("report") != "accept":
                            self.held.pop((report.task_id, report.generation), None)
            elif kind in ("reconcile", "cancel"):
                gone = message.reconcile.drop if kind == "reconcile" else [message.cancel]
                for task in gone:
                    self._forget((task.task_id, task.generation))
            elif kind == "status":
                self.states.append(message.status.state)
            elif kind == "ping":
                self.outbox.put(pb.AgentMessage(pong=pb.Pong(number=message.ping.number)))
            elif kind in ("drain", "goodbye"):
                self.outbox.put(None)

    def _outgoing(self):
        beats, due = 1, None
        while True:
            if due is None and hasattr(self, "interval"):
                due = time.monotonic() + self.interval
            try:
                message = self.outbox.get(timeout=0.1)
            except queue.Empty:
                message = False
            if message is None:
                return
            if message:
                yield message
            if due is not None and time.monotonic() >= due:
                beats, due = beats + 1, time.monotonic() + self.interval
                self._beat(beats)

    def _beat(self, number):
        self.outbox.put(pb.AgentMessage(heartbeat=pb.Heartbeat(
            number=number, held=self._held(), last_assignment=self.last_assignment, slots=self.slots)))

    def _held(self):
        with self.lock:
            return [pb.HeldTask(task_id=key[0], generation=key[1], state=state) for key, state in self.held.items()]

    def _take(self, assignment):
        self.last_assignment = max(self.last_assignment, assignment.number)
        key = (assignment.task_id, assignment.generation)
        if key in self.held:
            return
        argv = list(assignment.spec.command.argv)
        result, failure = self._work(argv)
        if assignment.probe:
            result = task_pb2.TaskResult(summary=argv[1])
            return self._say(key, number=0, accept=pb.Accept()) or self._say(key, number=0, complete=pb.Complete(result=result))
        if result is None and failure is None:
            return self._say(key, reject=pb.Reject(reason="NOT_ALLOWED", message=f"{argv[0]} is not in the dictionary"))
        with self.lock:
            self.held[key] = pb.HELD_STATE_DONE
        self._say(key, accept=pb.Accept())
        if failure is not None:
            return self._say(key, fail=pb.Fail(failure=failure, permanent=True))
        return self._say(key, complete=pb.Complete(result=result))

    @staticmethod
    def _work(argv):
        if argv[0] == "probe":
            return task_pb2.TaskResult(), None
        if argv[0] == "upper":
            return task_pb2.TaskResult(summary="done", output=" ".join(argv[1:]).upper()), None
        if argv[0] == "fail":
            return None, task_pb2.TaskFailure(reason="EXIT_STATUS", message="as asked")
        return None, None

    def _say(self, key, number=None, **what):
        with self.lock:
            if number is None:
                number, self.next_number = self.next_number, self.next_number + 1
            report = pb.Report(number=number, task_id=key[0], generation=key[1], **what)
            if number:
                self.unacknowledged[number] = report
            self.outbox.put(pb.AgentMessage(reports=pb.ReportBatch(reports=[report])))

    def _forget(self, key):
        with self.lock:
            self.held.pop(key, None)
            for number in [n for n, r in self.unacknowledged.items() if (r.task_id, r.generation) == key]:
                del self.unacknowledged[number]


class PythonExecutorTest(FleetTest):
    options = {"hub": {"time": {"heartbeat": "500ms"}}, "settings": {"time": {"shard_lease": "1s"}}}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sygrpc.")
        cls.addClassCleanup(folder.cleanup)
        subprocess.run(["protoc", "-I", stubs.PROTO, f"--plugin=protoc-gen-grpc_python={PLUGIN}",
                        f"--grpc_python_out={folder.name}", "switchyard/agent/v1/agent_hub.proto"], check=True)
        import switchyard.agent.v1 as package
        package.__path__.append(os.path.join(folder.name, "switchyard", "agent", "v1"))
        super().setUpClass()
        bundle = cls.fleet.enrollment("python")
        import base64
        text = bundle[len("sye1_"):]
        decoded = admin_pb.EnrollmentBundle.FromString(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        token = cls.admin.RedeemEnrollment(token=decoded.token, request_id="a" * 32, host_name="here").token
        cls.executor = PythonExecutor(decoded.addresses[0], token).start()
        cls.addClassCleanup(lambda: cls.executor.stop())
        wait_until(lambda: cls.admin.GetAgent(agent="python").agent.available, "the executor to be available")

    def test_it_is_known_for_what_it_is(self):
        agent = self.show("python")
        self.assertEqual(agent.version, "python 1")
        self.assertEqual(agent.probe_state, admin_pb.PROBE_STATE_PASSED)
        self.assertIn("language:python", agent.capabilities)
        # Older than the hub: what it does not name is not used.
        self.assertIn("logs", agent.missing_features)
        self.assertEqual(self.executor.states, [])

    def test_it_completes_tasks(self):
        ids = [self.submit("upper", "task", str(n), capabilities=["language:python"]) for n in range(10)]
        for number, task_id in enumerate(ids):
            task = self.await_state(task_id, "SUCCEEDED")
            self.assertEqual(task.result.output, f"TASK {number}")
            self.assertEqual(self.events(task_id).count("FINISHED"), 1)
        wait_until(lambda: not self.executor.unacknowledged and not self.executor.held, "all to be acknowledged")

    def test_a_permanent_failure_is_final(self):
        task = self.await_state(self.submit("fail"), "DEAD_LETTER")
        self.assertEqual((task.failure.reason, task.failure.message), ("EXIT_STATUS", "as asked"))
        self.assertEqual(task.attempts, 1)

    def test_it_comes_back_when_the_hub_does(self):
        self.fleet.all.kill()
        self.fleet.all.start()
        task = self.await_state(self.submit("upper", "again"), "SUCCEEDED")
        self.assertEqual(task.result.output, "AGAIN")

    def test_what_it_does_not_know_it_rejects(self):
        task_id = self.submit("lower", "x")
        wait_until(lambda: any(attempt.failure.reason == "NOT_ALLOWED" for attempt in self.get(task_id).history),
                   "the rejection")
        self.cancel(task_id)


if __name__ == "__main__":
    unittest.main(verbosity=2)
