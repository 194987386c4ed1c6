"""Real processes over a private Postgres: what the tests of the whole talk to."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import uuid

import yaml

import stubs
from agents import Agent, Scheduler, command
from client import CallError, Connection
from postgres import Postgres
from waiting import wait_until

BIN = os.environ.get("SWITCHYARD_BIN", os.path.join(stubs.ROOT, "build", "release", "bin"))
TOKENS = {"admin": "admin", "submit": "submit", "read": "read", "service": "service", "agent": "agent"}
# Long enough that nothing ends by itself where a test is not about that.
PATIENT = {"time": {"session_lease": "10m", "shard_lease": "1m", "sweep_interval": "50ms"}}


def merged(base, more):
    out = dict(base)
    for key, value in more.items():
        out[key] = merged(out.get(key, {}), value) if isinstance(value, dict) else value
    return out


def clean_environment():
    """Without what speaks to this test: the programs refuse variables with their prefix that they do not know."""
    return {key: value for key, value in os.environ.items() if not key.startswith("SWITCHYARD_")}


class Process:
    """One service process. Restarts keep its port, so that clients find it again."""

    def __init__(self, stack, binary, name, config, environment=None, arguments=()):
        self.stack, self.binary, self.name = stack, binary, name
        self.config = config
        self.environment, self.arguments = environment or {}, list(arguments)
        self.log = os.path.join(stack.folder, f"{name}.log")
        self.process = None
        self.address = None
        self.exit_codes = []

    def start(self, ready=True):
        path = os.path.join(self.stack.folder, f"{self.name}.yaml")
        if self.address is not None:
            self.config["server"]["listen"] = self.address
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump({section: values for section, values in self.config.items() if values}, file)
        at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", os.path.join(BIN, self.binary), *self.arguments,
                 f"--config={path}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**clean_environment(), **self.environment, **self.stack.environment_of(self.name)})
        self.address = wait_until(lambda: self._serving_since(at), f"{self.name} to serve", timeout=30)
        if ready:
            self.wait_ready()
        return self

    def _serving_since(self, at):
        self.check_alive()
        for line in self.lines(at):
            if line.get("msg") == "serving":
                return line["address"]
        return None

    def lines(self, at=0):
        with open(self.log, "rb") as log:
            log.seek(at)
            for line in log.read().decode(errors="replace").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def check_alive(self):
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended:\n{self.tail()}")

    def tail(self, count=30):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-count:])

    def healthcheck(self, service="ready"):
        """By the process' own flag, as a container's health check does."""
        argument = f"--healthcheck={service}" if service else "--healthcheck"
        return subprocess.run([os.path.join(BIN, self.binary), *self.arguments, f"--server.listen={self.address}", argument],
                              capture_output=True, check=False, timeout=30,
                              env=clean_environment()).returncode == 0

    def wait_ready(self, timeout=30.0):
        with Connection(self.address) as connection:
            def ready():
                self.check_alive()
                return connection.serving("switchyard.ready", timeout=1.0)
            try:
                wait_until(ready, f"{self.name} to be ready", timeout, every=0.05)
            except AssertionError as failure:
                raise AssertionError(f"{failure}:\n{self.tail()}") from None

    def metrics(self):
        """What Prometheus would scrape: the value of each series, by its name and labels."""
        port = [line["metrics_port"] for line in self.lines() if line.get("msg") == "serving"][-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            series = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in series}

    def signal(self, number):
        self.process.send_signal(number)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """Without warning."""
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self, timeout=30.0):
        """As an operator stops it; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.resume()
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "killed, for it did not end"
        self.process = None
        self.exit_codes.append(code)
        return code


class Stack:
    """Postgres, one identity service and `replicas` task queues."""

    def __init__(self, settings=None, replicas=1, durable=False, server=None, auth=None, identity=None, migrate=True,
                 environment=None, start=True):
        self.folder = tempfile.mkdtemp(prefix="systack.", dir="/tmp")
        self.postgres, self.identity, self.queues, self.connections, self.tokens = None, None, [], [], {}
        self.verifications = []
        self.settings = merged(PATIENT, settings or {})
        self.server, self.auth, self.environment = server or {}, auth or {}, environment or {}
        try:
            self.postgres = Postgres(durable)
            if migrate:
                self.migrate()
                for name, scopes in TOKENS.items():
                    self.tokens[name] = self.issue(name, scopes)
            config = {"server": self.server_section({}), "database": self.database(), "identity": identity or {}}
            self.identity = Process(self, "switchyard-identity", "identity", config)
            if start:
                self.identity.start(ready=migrate)
                for _ in range(replicas):
                    self.add_queue(ready=migrate)
        except BaseException:
            self.close()
            raise

    def database(self):
        return {"host": self.postgres.folder, "name": "switchyard", "user": "switchyard"}

    def environment_of(self, name):
        """What a process of that name gets into its environment at each start."""
        return {}

    def server_section(self, more):
        # Stopping with streams open must not make every test wait.
        return merged({"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "drain_deadline": "2s"}, more)

    def run(self, *arguments):
        """The program `switchyard` on this database."""
        return subprocess.run([os.path.join(BIN, "switchyard"), *arguments, f"--database.host={self.postgres.folder}"],
                              capture_output=True, text=True, check=False, timeout=120, env=clean_environment())

    def migrate(self):
        done = self.run("migrate")
        if done.returncode != 0:
            raise AssertionError(f"switchyard migrate: {done.stdout}{done.stderr}")

    def issue(self, name, scopes):
        path = os.path.join(self.folder, f"{name}.token")
        done = self.run("token", "issue", f"--name={name}", f"--scopes={scopes}", f"--out={path}")
        if done.returncode != 0:
            raise AssertionError(f"switchyard token issue: {done.stdout}{done.stderr}")
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    def add_queue(self, settings=None, server=None, environment=None, ready=True, start=True):
        name = f"task-queue-{len(self.queues)}"
        token = os.path.join(self.folder, "service.token")
        config = {"server": self.server_section(merged(self.server, server or {})), "database": self.database(),
                  "auth": {"identity_address": self.identity.address, "token": f"file:{token}", **self.auth},
                  "task_queue": merged(self.settings, settings or {})}
        process = Process(self, "switchyard-task-queue", name, config, {**self.environment, **(environment or {})})
        self.queues.append(process)
        if start:
            process.start(ready)
        return process

    def add_verification(self, settings=None, environment=None, replica=0):
        """A verification service of its own, over the task queue of that number."""
        name = f"verification-{len(self.verifications)}"
        if "verification" not in self.tokens:
            self.tokens["verification"] = self.issue("verification", "service,submit")
        token = os.path.join(self.folder, "verification.token")
        process = Process(self, "switchyard-verification", name, {
            "server": self.server_section({}), "database": self.database(),
            "auth": {"identity_address": self.identity.address, "token": f"file:{token}"},
            "task_queue": {"address": self.queues[replica].address}, "verification": settings or {}},
            {**self.environment, **(environment or {})})
        self.verifications.append(process)
        return process.start()

    def connect_verification(self, who="admin", number=0):
        return self._connected(Connection(self.verifications[number].address, self.tokens[who])).verification

    def connect(self, who="admin", replica=0, timeout=20.0, options=()):
        """A connection to a task queue; closed with the stack."""
        return self._connected(Connection(self.queues[replica].address, self.tokens[who], timeout, options))

    def connect_identity(self, who="admin"):
        return self._connected(Connection(self.identity.address, self.tokens[who]))

    def _connected(self, connection):
        self.connections.append(connection)
        return connection

    def processes(self):
        return [process for process in [*self.verifications, *self.queues, self.identity] if process is not None]

    def tails(self):
        return "".join(f"--- {process.name}\n{process.tail()}" for process in self.processes())

    def close(self):
        """Returns what did not end well."""
        for connection in self.connections:
            connection.close()
        if self.postgres is not None:
            self.postgres.resume()
        faults = []
        for process in self.processes():
            code = process.stop()
            if code != 0:
                faults.append(f"{process.name} ended with {code}:\n{process.tail()}")
        if self.postgres is not None:
            self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return faults

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class StackTest(unittest.TestCase):
    """One stack for all tests of a class; they must not depend on each other's tasks: use self.project."""

    options = {}
    stack = None

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(**cls.options)
        cls.tasks = cls.stack.connect("admin").tasks
        cls.ledger = cls.stack.connect("service").ledger

    @classmethod
    def tearDownClass(cls):
        faults, cls.stack = cls.stack.close(), None
        if faults:
            raise AssertionError("\n".join(faults))

    def setUp(self):
        self.project = f"p{uuid.uuid4().hex[:12]}"

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before and self.stack is not None:
            sys.stderr.write(f"\n=== after {self.id()}\n{self.stack.tails()}\n")

    # What most tests do.
    def submit(self, *argv, request_id="", **fields):
        """Stores a task of this test's project; its id."""
        spec = command(*argv, **{"project": self.project, **fields})
        return self.tasks.SubmitTask(request_id=request_id, spec=spec).task_id

    def get(self, task_id):
        return self.tasks.GetTask(task_id=task_id).task

    def state(self, task_id):
        return stubs.task.TaskState.Name(self.get(task_id).state)[len("TASK_STATE_"):]

    def hold(self, task_id):
        return stubs.task.HoldReason.Name(self.get(task_id).hold_reason)[len("HOLD_REASON_"):]

    def events(self, task_id):
        """(kind, cause) of each event, oldest first."""
        return [(stubs.task.EventKind.Name(event.kind)[len("EVENT_KIND_"):], event.cause)
                for event in self.tasks.ListTaskEvents(task_id=task_id).events]

    def await_state(self, task_id, state, timeout=15.0):
        wait_until(lambda: self.state(task_id) == state, f"{task_id} to be {state}", timeout)
        return self.get(task_id)

    def scheduler(self):
        """The scheduler of this class; takes over all shards once."""
        cls = type(self)
        if not hasattr(cls, "_scheduler"):
            cls._scheduler = Scheduler(cls.ledger).acquire()
        return cls._scheduler

    def agent(self, name=None):
        agent = Agent(self.ledger, self.scheduler(), name)
        agent.open()
        return agent

    def refused(self, result, reason):
        self.assertEqual(result.error.reason, reason, result)
        return result

    def fails(self, wanted, call, *arguments, code=None, **fields):
        """Asserts that the call fails with this reason; returns the failure."""
        with self.assertRaises(CallError) as caught:
            call(*arguments, **fields)
        self.assertEqual(caught.exception.reason, wanted, caught.exception)
        if code is not None:
            self.assertEqual(caught.exception.code.name, code, caught.exception)
        return caught.exception
