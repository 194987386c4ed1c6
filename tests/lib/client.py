"""Calls as a user of the contracts makes them: bearer token, deadline, and failures with their details."""

import queue as queues
import threading
import time

import grpc

import stubs

RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED,
           grpc.StatusCode.DEADLINE_EXCEEDED)
OPTIONS = [
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # Two clients of one process never share a connection unless they share a channel.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    # In spite of its name the time an attempt to connect has; short, and a loaded machine never connects in it.
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class CallError(Exception):
    """A call that failed, with what google.rpc.Status said about it."""

    def __init__(self, call):
        self.code = call.code()
        self.message = call.details()
        self.reason, self.domain, self.metadata, self.violations, self.retry_after = "", "", {}, [], 0.0
        for key, value in call.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self._read(stubs.status_pb2.Status.FromString(value))
        super().__init__(f"{self.code.name} {self.reason}: {self.message} {self.violations or ''}")

    def _read(self, status):
        for detail in status.details:
            info, bad, retry = (stubs.error_details_pb2.ErrorInfo(), stubs.error_details_pb2.BadRequest(),
                                stubs.error_details_pb2.RetryInfo())
            if detail.Unpack(info):
                self.reason, self.domain, self.metadata = info.reason, info.domain, dict(info.metadata)
            elif detail.Unpack(bad):
                self.violations = [(fault.field, fault.description) for fault in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9

    @property
    def fields(self):
        return [field for field, _ in self.violations]


class Service:
    """service.Method(field=...) or service.Method(request); streams answer with a Stream."""

    def __init__(self, channel, module, name, token=None, timeout=20.0):
        self._channel, self._timeout, self._token = channel, timeout, token
        self._methods = module.DESCRIPTOR.services_by_name[name].methods_by_name
        self._path = f"/{module.DESCRIPTOR.services_by_name[name].full_name}/"

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._methods:
            raise AttributeError(name)
        method = self._methods[name]
        request_class, response_class = method.input_type._concrete_class, method.output_type._concrete_class
        streams = name.startswith("Watch") or name == "ReadTaskLog"
        make = self._channel.unary_stream if streams else self._channel.unary_unary
        multi = make(self._path + name, request_serializer=request_class.SerializeToString,
                     response_deserializer=response_class.FromString)

        def call(request=None, timeout=self._timeout, metadata=(), **fields):
            request = request if request is not None else request_class(**fields)
            headers = [*metadata]
            if self._token is not None:
                headers.append(("authorization", f"Bearer {self._token}"))
            if streams:
                return Stream(multi(request, timeout=None if timeout == self._timeout else timeout, metadata=headers))
            try:
                return multi(request, timeout=timeout, metadata=headers)
            except grpc.RpcError as error:
                raise CallError(error) from None

        self.__dict__[name] = call
        return call

    def with_token(self, token):
        made = Service.__new__(Service)
        made._channel, made._timeout, made._token = self._channel, self._timeout, token
        made._methods, made._path = self._methods, self._path
        return made


class Stream:
    """Messages of one stream, read by a thread of its own as they come; nothing is read before start()."""

    def __init__(self, call):
        self.call = call
        self.messages = []
        self.error = None
        self.closed = threading.Event()
        self._changed = threading.Condition()
        self._thread = None

    def start(self):
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def _read(self):
        try:
            for message in self.call:
                with self._changed:
                    self.messages.append(message)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            self.error = CallError(error)
        with self._changed:
            self.closed.set()
            self._changed.notify_all()

    def wait_for(self, condition, what, timeout=15.0):
        """Returns the first true value of condition(messages)."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                value = condition(self.messages)
                if value:
                    return value
                if self.closed.is_set():
                    raise AssertionError(f"the stream ended before {what}: {self.error}")
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    last = str(self.messages[-1])[-500:] if self.messages else "nothing"
                    raise AssertionError(f"waited {timeout} s in vain for {what}; {len(self.messages)} messages, the "
                                         f"last: {last}")

    def wait_closed(self, timeout=15.0):
        if not self.closed.wait(timeout):
            raise AssertionError(f"the stream did not end in {timeout} s")
        return self.error

    def cancel(self):
        self.call.cancel()
        if self._thread is not None:
            self._thread.join(10)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.cancel()


class Connection:
    """One channel to one process and the services behind it."""

    def __init__(self, address, token=None, timeout=20.0, options=()):
        self.channel = grpc.insecure_channel(address, options=[*OPTIONS, *options])
        self.tasks = Service(self.channel, stubs.queue, "TaskQueueService", token, timeout)
        self.ledger = Service(self.channel, stubs.ledger, "TaskLedgerService", token, timeout)
        self.identity = Service(self.channel, stubs.identity, "IdentityService", token, timeout)
        self.agents = Service(self.channel, stubs.agent_admin, "AgentAdminService", token, timeout)
        self.scheduling = Service(self.channel, stubs.scheduler_admin, "SchedulerAdminService", token, timeout)
        self.models = Service(self.channel, stubs.model_registry, "ModelRegistryService", token, timeout)
        self.routing = Service(self.channel, stubs.router, "RouterService", token, timeout)
        self.verification = Service(self.channel, stubs.verification, "VerificationService", token, timeout)
        self.health = Service(self.channel, stubs.health_pb2, "Health", None, timeout)

    def serving(self, service="", timeout=5.0):
        try:
            answer = self.health.Check(service=service, timeout=timeout)
        except CallError:
            return False
        return answer.status == stubs.health_pb2.HealthCheckResponse.SERVING

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def retried(call, timeout=60.0, stop=None):
    """Calls until it is answered; only for calls that may be repeated."""
    end = time.monotonic() + timeout
    wait = 0.02
    while True:
        try:
            return call()
        except CallError as error:
            if error.code not in RETRIED or time.monotonic() > end or (stop is not None and stop.is_set()):
                raise
            time.sleep(min(wait, 0.5))
            wait *= 2


def in_threads(count, work):
    """work(0) to work(count - 1), at once; returns their results, raises what the first of them raised."""
    results, failures = [None] * count, queues.SimpleQueue()

    def run(index):
        try:
            results[index] = work(index)
        except BaseException as error:
            failures.put(error)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not failures.empty():
        raise failures.get()
    return results
