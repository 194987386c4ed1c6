"""The whole set in one process, and executors as processes of their own."""

import json
import os
import signal
import subprocess
import sys
import unittest
import uuid

import yaml

import stubs
from agents import command
from stack import BIN, Process, Stack, clean_environment, merged
from waiting import wait_until

# Programs that tests may run, by a rule each.
RULES = [
    {"name": "true", "program": "/usr/bin/true"},
    {"name": "false", "program": "/usr/bin/false"},
    {"name": "echo", "program": "/usr/bin/echo", "rest": ["any:"]},
    {"name": "sleep", "program": "/usr/bin/sleep", "rest": ["any:"]},
    {"name": "env", "program": "/usr/bin/env"},
]


class YardAgent:
    """One executor with a folder of its own, which survives its restarts."""

    def __init__(self, fleet, name, config=None, rules=None):
        self.fleet, self.name = fleet, name
        self.folder = os.path.join(fleet.folder, f"agent-{name}")
        self.data = os.path.join(self.folder, "data")
        os.makedirs(self.data, mode=0o711)
        self.log = os.path.join(fleet.folder, f"agent-{name}.log")
        self.config = os.path.join(self.folder, "yard-agent.yaml")
        self.process = None
        self.configure(config or {})
        self.allow(RULES if rules is None else rules)

    def configure(self, config):
        with open(self.config, "w", encoding="utf-8") as file:
            # Any account that tasks may have when this is root.
            yaml.safe_dump(merged({"data_dir": self.data, "slots": 2, "drain_timeout": "10s",
                                   "sandbox": {"user": "nobody"}}, config), file)

    def allow(self, rules):
        path = os.path.join(self.data, "allowlist.yaml")
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump({"rules": rules}, file)
        os.chmod(path, 0o600)

    def run(self, *arguments, timeout=120):
        """A command of the program, to its end."""
        return subprocess.run([os.path.join(BIN, "yard-agent"), *arguments, f"--config={self.config}"],
                              capture_output=True, text=True, check=False, timeout=timeout, env=clean_environment(),
                              stdin=subprocess.DEVNULL)

    def enroll(self, text=None):
        done = self.run("enroll", text or self.fleet.enrollment(self.name), "--no-start")
        if done.returncode != 0:
            raise AssertionError(f"yard-agent enroll: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, connected=True):
        with open(self.log, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", os.path.join(BIN, "yard-agent"), "run", f"--config={self.config}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**clean_environment(), **self.fleet.environment_of(self.name)})
        if connected:
            self.wait_for_line("connected", at)
        return self

    def lines(self, at=0):
        with open(self.log, "rb") as log:
            log.seek(at)
            for line in log.read().decode(errors="replace").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def position(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def wait_for_line(self, message, at=0, timeout=30.0):
        def found():
            for line in self.lines(at):
                if line.get("msg") == message:
                    return line
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"agent {self.name} ended with {self.process.returncode}:\n{self.tail()}")
            return None
        return wait_until(found, f"agent {self.name} to say {message!r}", timeout)

    def tail(self, count=40):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-count:])

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self, timeout=40.0):
        """As systemd stops it; the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "killed, for it did not end"
        self.process = None
        return code


class Fleet(Stack):
    """`switchyard run` with every service, and what `agent()` makes."""

    def __init__(self, settings=None, hub=None, scheduler=None, **options):
        super().__init__(settings=settings, start=False, **options)
        # The user that tasks run as passes through to its own folders.
        os.chmod(self.folder, 0o711)
        self.agents = {}
        config = {"server": self.server_section({}), "database": self.database(), "task_queue": self.settings,
                  "agent_hub": hub or {}, "identity": {"cache_ttl": "1s"}, "scheduler": scheduler or {}}
        self.identity = None
        self.all = Process(self, "switchyard", "switchyard", config, arguments=["run"])
        self.queues.append(self.all)
        try:
            self.all.start()
        except BaseException:
            self.close()
            raise

    def agent(self, name, config=None, rules=None):
        self.agents[name] = YardAgent(self, name, config, rules)
        return self.agents[name]

    def enrollment(self, name, **fields):
        with self.admin() as connection:
            return connection.agents.EnrollAgent(name=name, addresses=[self.all.address], **fields).enrollment

    def admin(self):
        from client import Connection
        return Connection(self.all.address, self.tokens["admin"])

    def tails(self):
        return super().tails() + "".join(f"--- agent {agent.name}\n{agent.tail()}" for agent in self.agents.values())

    def close(self):
        faults = []
        for agent in self.agents.values() if hasattr(self, "agents") else ():
            code = agent.stop()
            if code != 0:
                faults.append(f"agent {agent.name} ended with {code}:\n{agent.tail()}")
        return faults + super().close()


class FleetTest(unittest.TestCase):
    """One fleet for all tests of a class."""

    options = {}

    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(**cls.options)
        connection = cls.fleet.connect("admin")
        cls.tasks, cls.admin = connection.tasks, connection.agents

    @classmethod
    def tearDownClass(cls):
        faults, cls.fleet = cls.fleet.close(), None
        if faults:
            raise AssertionError("\n".join(faults))

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before and self.fleet is not None:
            sys.stderr.write(f"\n=== after {self.id()}\n{self.fleet.tails()}\n")

    def submit(self, *argv, **fields):
        return self.tasks.SubmitTask(request_id=uuid.uuid4().hex, spec=command(*argv, **fields)).task_id

    def cancel(self, task_id):
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]), reason="a test")

    def get(self, task_id):
        return self.tasks.GetTask(task_id=task_id).task

    def state(self, task_id):
        return stubs.task.TaskState.Name(self.get(task_id).state)[len("TASK_STATE_"):]

    def await_state(self, task_id, state, timeout=30.0):
        def there():
            now = self.state(task_id)
            if now != state and now in ("SUCCEEDED", "DEAD_LETTER", "CANCELLED", "EXPIRED"):
                raise AssertionError(f"{task_id} is {now}: {self.get(task_id)}")
            return now == state
        wait_until(there, f"{task_id} to be {state}", timeout)
        return self.get(task_id)

    def events(self, task_id):
        return [stubs.task.EventKind.Name(event.kind)[len("EVENT_KIND_"):]
                for event in self.tasks.ListTaskEvents(task_id=task_id).events]

    def show(self, name):
        return self.admin.GetAgent(agent=name).agent
