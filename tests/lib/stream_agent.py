"""An executor of a few lines that speaks the stream itself: tests say what it does."""

import base64
import queue
import threading
import uuid

import grpc

import stubs
from client import CallError, OPTIONS, Connection
from waiting import wait_until

hub = stubs.agent_hub
CONNECT = "/switchyard.agent.v1.AgentHubService/Connect"
FEATURES = ("kind.command", "phase", "progress", "logs", "blocked", "confirm", "status")


def enroll(address, admin_token, name):
    """The text of the token of a new agent."""
    with Connection(address, admin_token) as connection:
        text = connection.agents.EnrollAgent(name=name, addresses=[address]).enrollment
    encoded = text[len("sye1_"):]
    bundle = stubs.agent_admin.EnrollmentBundle.FromString(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    with Connection(address) as connection:
        answer = connection.agents.RedeemEnrollment(token=bundle.token, request_id=uuid.uuid4().hex, host_name="test")
    return answer.agent_id, answer.token


class StreamAgent:
    """One stream. Probes are answered by themselves."""

    def __init__(self, address, token, slots=4, restarted=True, held=(), features=FEATURES, hello=True, **fields):
        self.token, self.slots, self.number, self.last, self.beats = token, slots, 0, 0, 0
        self.held = dict(held)
        self.messages, self.assignments, self.error = [], queue.SimpleQueue(), None
        self._outgoing = queue.SimpleQueue()
        self._changed = threading.Condition()
        self.ended = threading.Event()
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        connect = self._channel.stream_stream(CONNECT, request_serializer=hub.AgentMessage.SerializeToString,
                                              response_deserializer=hub.HubMessage.FromString)
        self.call = connect(iter(self._outgoing.get, None), metadata=[("authorization", f"Bearer {token}")])
        threading.Thread(target=self._read, daemon=True).start()
        if hello:
            self.say(hello=hub.Hello(min_protocol_version=1, max_protocol_version=1, features=features, slots=slots,
                                     restarted=restarted, held=self.held_tasks(), software_version="test", **fields))

    def say(self, **body):
        self._outgoing.put(hub.AgentMessage(**body))

    def held_tasks(self):
        return [hub.HeldTask(task_id=task, generation=generation, state=hub.HELD_STATE_RUNNING)
                for task, generation in self.held.items()]

    def beat(self, **fields):
        self.beats += 1
        self.say(heartbeat=hub.Heartbeat(number=self.beats, slots=self.slots, held=self.held_tasks(),
                                         last_assignment=self.last, **fields))

    def report(self, assignment, numbered=True, **what):
        self.number += numbered
        self.say(reports=hub.ReportBatch(reports=[hub.Report(
            number=self.number if numbered else 0, task_id=assignment.task_id, generation=assignment.generation,
            **what)]))
        return self.number

    def accept(self, assignment):
        self.held[assignment.task_id] = assignment.generation
        return self.report(assignment, accept=hub.Accept())

    def complete(self, assignment, **result):
        self.held.pop(assignment.task_id, None)
        return self.report(assignment, complete=hub.Complete(result=stubs.task.TaskResult(**result)))

    def _read(self):
        try:
            for message in self.call:
                self._take(message)
        except grpc.RpcError:
            self.error = CallError(self.call)
        self.ended.set()
        with self._changed:
            self._changed.notify_all()

    def _take(self, message):
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        for assignment in message.assign.assignments:
            self.last = assignment.number
            if assignment.probe:
                self.report(assignment, numbered=False, accept=hub.Accept())
                self.report(assignment, numbered=False, complete=hub.Complete(
                    result=stubs.task.TaskResult(summary=assignment.spec.command.argv[1])))
            else:
                self.assignments.put(assignment)
        if message.HasField("ping"):
            self.say(pong=hub.Pong(number=message.ping.number))

    def wait(self, kind, what=lambda body: True, timeout=20.0):
        """The first message of that kind of which what() is true."""
        def there():
            for message in list(self.messages):
                if message.WhichOneof("body") == kind and what(getattr(message, kind)):
                    return getattr(message, kind)
            if self.ended.is_set():
                raise AssertionError(f"the stream ended while {kind} was awaited: {self.error}; {self.messages[-3:]}")
            return None
        return wait_until(there, f"the hub to say {kind}", timeout)

    def next(self, timeout=20.0):
        """The next assignment that is no probe."""
        try:
            return self.assignments.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no assignment in {timeout} s: {self.messages[-3:]}, {self.error}") from None

    def acknowledged(self, number, timeout=20.0):
        """Until this report is safe; the refusals so far by number."""
        self.wait("ack", lambda ack: ack.through >= number, timeout)
        return {refused.number: refused.reason for message in list(self.messages) for refused in message.ack.refused}

    def end(self, timeout=20.0):
        """Until the hub ended the stream; the failure."""
        if not self.ended.wait(timeout):
            raise AssertionError(f"the stream stood for {timeout} s")
        return self.error

    def leave(self):
        self._outgoing.put(None)
        self.ended.wait(10)
        self._channel.close()

    def drop(self):
        """As a machine that is unplugged."""
        self.call.cancel()
        self.ended.wait(10)
        self._outgoing.put(None)
        self._channel.close()
