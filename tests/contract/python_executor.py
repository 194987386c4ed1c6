"""An executor in another language, written only from the .proto files: one stream, a hello, heartbeats, and for each
assignment an acceptance and an end, which is kept until the hub acknowledged it. Its work is a small dictionary."""

import queue
import threading
import time

import grpc
from switchyard.agent.v1 import agent_admin_pb2 as admin
from switchyard.agent.v1 import agent_hub_pb2 as pb
from switchyard.agent.v1 import agent_hub_pb2_grpc as service
from switchyard.task_queue.v1 import task_pb2 as task


class PythonExecutor:
    def __init__(self, address, token, slots=2):
        self.address, self.token, self.slots, self.restarted = address, token, slots, True
        self.held, self.kept = {}, {}  # (task, generation): state; number: what the hub has not acknowledged
        self.numbers, self.stopping = 0, threading.Event()
        self.thread = threading.Thread(target=self.live, daemon=True)

    def live(self):
        while not self.stopping.is_set():
            self.outbox, self.beats, self.beat_at, self.last_assignment = queue.Queue(), 0, float("inf"), 0
            with grpc.insecure_channel(self.address) as channel:
                try:
                    self.serve(channel)
                except grpc.RpcError:
                    pass  # The hub is away: what is kept is said again.
            self.stopping.wait(0.3)

    def serve(self, channel):
        self.say(hello=pb.Hello(
            min_protocol_version=1, max_protocol_version=1, features=["kind.command", "blocked"], slots=self.slots,
            software_version="python 1", capabilities=["language:python"], held=self.holds(), restarted=self.restarted,
            self_tests=[admin.SelfTest(name="dictionary", passed=True)]))
        stream = service.AgentHubServiceStub(channel).Connect(
            self.outgoing(self.outbox), metadata=[("authorization", f"Bearer {self.token}")])
        for message in stream:
            kind = message.WhichOneof("body")  # None: something newer than this program
            if hasattr(self, f"on_{kind}"):
                getattr(self, f"on_{kind}")(getattr(message, kind))

    def say(self, **body):
        self.outbox.put(pb.AgentMessage(**body))

    def outgoing(self, outbox):
        while True:
            try:
                message = outbox.get(timeout=0.05)
                if message is None:
                    return
                yield message
            except queue.Empty:
                if time.monotonic() >= self.beat_at:
                    self.beats, self.beat_at = self.beats + 1, time.monotonic() + self.interval
                    yield pb.AgentMessage(heartbeat=pb.Heartbeat(
                        number=self.beats, held=self.holds(), last_assignment=self.last_assignment, slots=self.slots))

    def holds(self):
        return [pb.HeldTask(task_id=task_id, generation=generation, state=state)
                for (task_id, generation), state in list(self.held.items())]

    def on_welcome(self, welcome):
        self.restarted, self.interval = False, welcome.heartbeat_interval.ToTimedelta().total_seconds()
        self.beat_at = time.monotonic() + welcome.heartbeat_offset.ToTimedelta().total_seconds()
        self.on_reconcile(welcome)
        for report in list(self.kept.values()):
            self.say(reports=pb.ReportBatch(reports=[report]))

    def on_ping(self, ping):
        self.say(pong=pb.Pong(number=ping.number))

    def on_drain(self, _):
        self.outbox.put(None)

    def on_reconcile(self, told):
        for gone in told.drop:
            self.forget((gone.task_id, gone.generation))

    def on_cancel(self, cancel):
        key = (cancel.task_id, cancel.generation)
        if cancel.withdrawn or key not in self.held:
            return self.forget(key)
        return self.end(key, released=pb.Released(reason=cancel.reason))

    def on_ack(self, ack):
        for refused in ack.refused:
            if refused.number in self.kept:
                self.forget((self.kept[refused.number].task_id, self.kept[refused.number].generation))
        for number in [number for number in self.kept if number <= ack.through]:
            report = self.kept.pop(number)
            if report.WhichOneof("report") in ("complete", "fail", "released"):
                self.held.pop((report.task_id, report.generation), None)

    def forget(self, key):
        self.held.pop(key, None)
        self.kept = {n: report for n, report in self.kept.items() if (report.task_id, report.generation) != key}

    def report(self, key, numbered=True, **what):
        self.numbers += numbered
        report = pb.Report(number=numbered * self.numbers, task_id=key[0], generation=key[1], **what)
        if numbered:
            self.kept[report.number] = report
        self.say(reports=pb.ReportBatch(reports=[report]))

    def end(self, key, **what):
        self.held[key] = pb.HELD_STATE_DONE
        self.report(key, **what)

    def on_assign(self, batch):
        for assignment in batch.assignments:
            self.last_assignment = assignment.number
            self.take((assignment.task_id, assignment.generation), assignment.probe, assignment.spec.command.argv)

    def take(self, key, probe, argv):
        if probe:
            self.report(key, numbered=False, accept=pb.Accept())
            self.report(key, numbered=False, complete=pb.Complete(result=task.TaskResult(summary=argv[1])))
        elif argv[0] not in ("upper", "ask", "fail"):
            self.report(key, reject=pb.Reject(reason="NOT_ALLOWED", permanent=True, message=f"no {argv[0]} here"))
        elif key not in self.held:
            self.held[key] = pb.HELD_STATE_RUNNING
            self.report(key, accept=pb.Accept())
            if argv[0] == "upper":
                self.end(key, complete=pb.Complete(result=task.TaskResult(output=" ".join(argv[1:]).upper())))
            elif argv[0] == "fail":
                self.end(key, fail=pb.Fail(failure=task.TaskFailure(reason="EXIT_STATUS", message="as asked"), permanent=True))
            else:
                self.held[key] = pb.HELD_STATE_BLOCKED
                self.report(key, blocked=pb.Blocked(reason="needs_input", question=" ".join(argv[1:])))

    def on_answer(self, answer):
        if self.held.get((answer.task_id, answer.generation)) == pb.HELD_STATE_BLOCKED:
            self.end((answer.task_id, answer.generation), complete=pb.Complete(result=task.TaskResult(output=answer.text)))
