"""A client in another language, made by the usual generators from proto/ and with a library's usual options, works."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import grpc  # noqa: E402

import stubs  # noqa: E402
from stack import Process, Stack  # noqa: E402

PLUGIN = "/usr/bin/grpc_python_plugin"
SERVICES = ("switchyard/identity/v1/identity_service.proto", "switchyard/task_queue/v1/task_queue_service.proto",
            "switchyard/task_queue/v1/task_ledger_service.proto")


def all_protos():
    for folder, _, names in os.walk(stubs.PROTO):
        for name in sorted(names):
            if name.endswith(".proto"):
                yield os.path.relpath(os.path.join(folder, name), stubs.PROTO)


class PythonClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sygrpc.")
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run(["protoc", "-I", stubs.PROTO, f"--plugin=protoc-gen-grpc_python={PLUGIN}",
                        f"--grpc_python_out={cls.folder.name}", *SERVICES], check=True)
        for package in ("identity", "task_queue"):
            module = __import__(f"switchyard.{package}.v1", fromlist=["v1"])
            module.__path__.append(os.path.join(cls.folder.name, "switchyard", package, "v1"))
        # One process for both services; a scheduler in it would take the shards that this test wants.
        cls.stack = Stack(start=False)
        cls.addClassCleanup(cls.stack.close)
        config = {"services": ["identity", "task_queue"], "server": cls.stack.server_section({}), "database": cls.stack.database(), "task_queue": cls.stack.settings}
        cls.process = Process(cls.stack, "switchyard", "switchyard", config, arguments=["run"])
        cls.stack.queues.append(cls.process)
        cls.process.start()
        cls.channel = grpc.insecure_channel(cls.process.address)
        cls.addClassCleanup(cls.channel.close)

    def stub(self, package, service):
        module = __import__(f"switchyard.{package}.v1.{service}_pb2_grpc", fromlist=["x"])
        [name] = [name for name in dir(module) if name.endswith("Stub")]
        return getattr(module, name)(self.channel)

    def options(self, who):
        return {"timeout": 20, "metadata": [("authorization", f"Bearer {self.stack.tokens[who]}")]}

    def test_every_contract_compiles_for_python(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["protoc", "-I", stubs.PROTO, f"--python_out={folder}", *all_protos()],
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_task_is_submitted_watched_worked_on_and_read(self):
        tasks, ledger = self.stub("task_queue", "task_queue_service"), self.stub("task_queue", "task_ledger_service")
        user, service = self.options("admin"), self.options("service")
        queue, leases = stubs.queue, stubs.ledger
        watch = tasks.WatchTasks(queue.WatchTasksRequest(), **user)
        self.assertTrue(next(watch).resume_token)
        request = queue.SubmitTaskRequest(request_id="first", spec=stubs.spec.TaskSpec(
            command=stubs.spec.Command(argv=["true"])))
        task_id = tasks.SubmitTask(request, **user).task_id
        shards = {lease.shard: lease.epoch for lease in
                  ledger.AcquireShards(leases.AcquireShardsRequest(owner_id="scheduler"), **service).shards}
        feed = ledger.WatchReady(leases.WatchReadyRequest(shards=list(shards)), **service)
        offer = self.first_offer(feed)
        self.assertEqual(offer.task_id, task_id)
        epoch = ledger.OpenSession(leases.OpenSessionRequest(agent_id="agent", hub_id="hub"), **service).session_epoch
        [given] = ledger.AssignTasks(leases.AssignTasksRequest(assignments=[leases.Assignment(
            task_id=task_id, generation=offer.generation, agent_id="agent", session_epoch=epoch,
            shard_epoch=shards[offer.shard])]), **service).results
        self.assertEqual(given.generation, 1)
        for what in ({"accepted": leases.AcceptedReport()}, {"evidence": leases.EvidenceReport()}):
            [result] = ledger.ReportTasks(leases.ReportTasksRequest(reports=[leases.TaskReport(
                task_id=task_id, generation=1, agent_id="agent", session_epoch=epoch, **what)]), **service).results
            self.assertFalse(result.error.reason)
        kinds = []
        while len(kinds) < 4:
            kinds += [event.kind for event in next(watch).events]
        self.assertEqual(kinds, [stubs.task.EVENT_KIND_SUBMITTED, stubs.task.EVENT_KIND_ASSIGNED,
                                 stubs.task.EVENT_KIND_ACCEPTED, stubs.task.EVENT_KIND_FINISHED])
        task = tasks.GetTask(queue.GetTaskRequest(task_id=task_id), **user).task
        self.assertEqual(task.state, stubs.task.TASK_STATE_SUCCEEDED)
        watch.cancel()
        feed.cancel()

    @staticmethod
    def first_offer(feed):
        for message in feed:
            if message.tasks:
                return message.tasks[0]
        raise AssertionError("the feed ended")

    def test_identity_is_served_by_the_same_process(self):
        identity = self.stub("identity", "identity_service")
        me = identity.GetSelf(stubs.identity.GetSelfRequest(), **self.options("admin"))
        self.assertEqual(me.name, "admin")

    def test_failures_carry_their_details(self):
        tasks = self.stub("task_queue", "task_queue_service")
        with self.assertRaises(grpc.RpcError) as caught:
            tasks.SubmitTask(stubs.queue.SubmitTaskRequest(), **self.options("admin"))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        [raw] = [value for key, value in caught.exception.trailing_metadata() if key == "grpc-status-details-bin"]
        status = stubs.status_pb2.Status.FromString(raw)
        self.assertEqual((status.code, status.message), (3, caught.exception.details()))
        info, fields = stubs.error_details_pb2.ErrorInfo(), stubs.error_details_pb2.BadRequest()
        self.assertTrue(any(detail.Unpack(info) for detail in status.details))
        self.assertTrue(any(detail.Unpack(fields) for detail in status.details))
        self.assertEqual((info.reason, info.domain), ("INVALID_FIELD", "switchyard.task_queue"))
        self.assertEqual([fault.field for fault in fields.field_violations], ["spec"])

    def test_reflection_lists_the_services(self):
        reflect = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        # ServerReflectionRequest.list_services = "*".
        listed = b"".join(reflect(iter([b"\x3a\x01*"]), timeout=10))
        for name in (b"switchyard.task_queue.v1.TaskQueueService", b"switchyard.task_queue.v1.TaskLedgerService",
                     b"switchyard.identity.v1.IdentityService", b"grpc.health.v1.Health"):
            self.assertIn(name, listed)


if __name__ == "__main__":
    unittest.main()
