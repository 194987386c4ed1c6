"""Clients that go on through every fault: submitters, agents that claim and work, and one that watches."""

import queue as queues
import random
import threading
import time
import uuid

import stubs
from agents import Agent, Scheduler, command
from checker import MAX_ATTEMPTS, Told
from client import RETRIED, CallError, Connection

DEADLINE = 4.0
LOST = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED", "CANCELLED")


class AnyReplica:
    """The methods of a service; each call, and each repeat of it, goes to any of the replicas."""

    def __init__(self, services, rng):
        self.services, self.rng = services, rng

    def __getattr__(self, name):
        def call(**fields):
            return getattr(self.rng.choice(self.services), name)(timeout=DEADLINE, **fields)
        return call


class Workload:
    """Call run_until(), then finish(). Everything random comes from the seed."""

    def __init__(self, stack, seed, submitters=4, claimers=6):
        self.stack, self.seed = stack, seed
        self.told = Told()
        self.run_id = uuid.UUID(int=random.Random(seed).getrandbits(128)).hex[:8]
        self.submitting, self.working = threading.Event(), threading.Event()
        self.ready = queues.Queue()
        self.offered, self.offered_lock = set(), threading.Lock()
        self.connections = []
        self.users = [self._connect(queue, "submit").tasks for queue in stack.queues]
        self.ledgers = [self._connect(queue, "service").ledger for queue in stack.queues]
        self.scheduler = Scheduler(self._any(self.ledgers, "scheduler"), "scheduler")
        self.failures = []
        self._repeat(self.scheduler.acquire)
        parts = [(self._submit, index) for index in range(submitters)]
        parts += [(self._claim, index) for index in range(claimers)]
        parts += [(self._feed, 0), (self._renew, 0), (self._watch, 0)]
        self.threads = [threading.Thread(target=self._guarded, args=part, daemon=True) for part in parts]
        self.watching = threading.Event()
        self.submitters, self.working_threads = self.threads[:submitters], self.threads[submitters:]

    def _connect(self, queue, who):
        connection = Connection(queue.address, self.stack.tokens[who], DEADLINE)
        self.connections.append(connection)
        return connection

    def _any(self, services, name):
        return AnyReplica(services, random.Random(f"{self.seed}-{name}"))

    def _guarded(self, part, index):
        try:
            part(index)
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def _repeat(self, call, bound=120.0):
        """Until there is an answer."""
        end = time.monotonic() + bound
        while True:
            try:
                return call()
            except CallError as error:
                if error.code not in RETRIED or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    # What the clients do.
    def _submit(self, index):
        rng = random.Random(f"{self.seed}-submit-{index}")
        tasks = self._any(self.users, f"submit-{index}-replica")
        number = 0
        while not self.submitting.is_set():
            request_id = f"{self.run_id}-{index}-{number}"
            spec = command("work", str(number), project="faults", lane=rng.choice([1, 2, 3, 4]), title=request_id,
                           retry_policy={"max_attempts": MAX_ATTEMPTS, "backoff": [{}]})
            answer = self._repeat(lambda: tasks.SubmitTask(request_id=request_id, spec=spec))
            self.told.submitted(request_id, answer.task_id)
            if rng.random() < 0.1:
                again = self._repeat(lambda: tasks.SubmitTask(request_id=request_id, spec=spec))
                self.told.submitted(request_id, again.task_id)
            number += 1
            time.sleep(rng.random() * 0.04)

    def _feed(self, _):
        """Tells claimers what is ready; opens the feed again, and so rescans, whenever it ends."""
        rng = random.Random(f"{self.seed}-feed")
        while not self.working.is_set():
            stream = rng.choice(self.ledgers).WatchReady(shards=range(16), window=10_000, timeout=3)
            try:
                for message in stream.call:
                    for entry in message.tasks:
                        self._offer(entry.task_id, entry.generation)
            except Exception:
                pass
            time.sleep(0.05)

    def _offer(self, task_id, generation):
        with self.offered_lock:
            if (task_id, generation) in self.offered:
                return
            self.offered.add((task_id, generation))
        self.ready.put((task_id, generation))

    def _offer_again(self, task_id, generation):
        with self.offered_lock:
            self.offered.discard((task_id, generation))

    def _renew(self, _):
        while not self.working.wait(2):
            self._repeat(self.scheduler.acquire)

    def _claim(self, index):
        rng = random.Random(f"{self.seed}-claim-{index}")
        ledger = self._any(self.ledgers, f"claim-{index}-replica")
        agent = Agent(ledger, self.scheduler, f"agent-{index}")
        self._repeat(agent.open)
        unsure = False
        while not self.working.is_set():
            if unsure:
                # An answer was lost: what the ledger says it owns is its own.
                owned = self._repeat(lambda: ledger.ListAssigned(agent_ids=[agent.name])).tasks
                unsure = False
                for entry in owned:
                    self._work(rng, agent, entry.assignment.task_id, entry.assignment.generation)
            try:
                task_id, generation = self.ready.get(timeout=0.2)
            except queues.Empty:
                unsure = rng.random() < 0.1
                continue
            try:
                given = agent.assign(task_id, generation)
            except CallError as error:
                if error.code not in RETRIED:
                    raise
                unsure = True
                self._offer_again(task_id, generation)
                continue
            if not given.error.reason:
                self._work(rng, agent, task_id, given.generation)
            elif given.error.reason in ("CONTENTION", "STALE_SHARD_EPOCH", "QUEUE_FULL", "DATABASE_UNAVAILABLE",
                                        "DRAINING") or given.error.code == 14:
                # An item may also have been stored although its answer was lost.
                unsure = True
                self._offer_again(task_id, generation)
            elif given.error.reason not in ("STALE_GENERATION", "TASK_NOT_READY"):
                raise AssertionError(f"assigning {task_id}: {given.error}")

    def _report(self, send):
        """Until it is answered for good."""
        end = time.monotonic() + 120
        while True:
            result = self._repeat(send)
            if result.error.code not in (8, 10, 14) or time.monotonic() > end:
                return result
            time.sleep(0.05)

    def _work(self, rng, agent, task_id, generation):
        self.told.owned(task_id, generation, agent.name)
        accepted = self._report(lambda: agent.accept(task_id, generation))
        if accepted.error.reason:
            self.told.fault(f"{agent.name} could not accept {task_id}/{generation}: {accepted.error}")
            return
        time.sleep(rng.random() * 0.01)
        dice, summary = rng.random(), f"{agent.name}/{generation}/{rng.getrandbits(40):x}"
        if dice < 0.8:
            kind, send = "finish", lambda: agent.finish(task_id, generation, summary=summary)
        elif dice < 0.92:
            kind, send = "fail", lambda: agent.fail(task_id, generation, "EXIT_STATUS", summary=summary)
        else:
            kind, send = "release", lambda: agent.let_go(task_id, generation)
        for _ in range(2 if rng.random() < 0.3 else 1):
            result = self._report(send)
            if result.error.reason:
                self.told.fault(f"{kind} of {task_id}/{generation} by {agent.name}: {result.error}")
                return
            self.told.ended(task_id, generation, agent.name, kind, summary, result.state)

    def _watch(self, _):
        token = ""
        rng = random.Random(f"{self.seed}-watch")
        while not self.working.is_set():
            stream = rng.choice(self.users).WatchTasks(resume_token=token, timeout=5)
            try:
                for message in stream.call:
                    self.told.watched(message.events)
                    token = message.resume_token
                    self.watching.set()
            except Exception as failure:
                if stream.call.code() is not None and stream.call.code().name not in LOST:
                    raise AssertionError(f"the watch ended: {CallError(failure)}") from None
            time.sleep(0.02)

    # What the test does.
    def start(self):
        self.threads[-1].start()
        if not self.watching.wait(30):
            raise AssertionError("the watch did not begin")
        for thread in self.threads[:-1]:
            thread.start()

    def check_alive(self):
        if self.failures:
            raise AssertionError(f"a client failed: {self.failures[0]!r}") from self.failures[0]

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            time.sleep(0.05)

    def finish(self, timeout=120.0):
        """No more submissions; waits until all work is done, then stops the clients."""
        self.submitting.set()
        for thread in self.submitters:
            thread.join(timeout)
        live = stubs.queue.TaskFilter(states=[stubs.task.TASK_STATE_QUEUED, stubs.task.TASK_STATE_ASSIGNED,
                                              stubs.task.TASK_STATE_RUNNING])
        user = self._any(self.users, "finish")
        end = time.monotonic() + timeout
        while True:
            self.check_alive()
            left = self._repeat(lambda: user.ListTasks(filter=live, page_size=1)).tasks
            if not left:
                break
            if time.monotonic() > end:
                raise AssertionError(f"not all work was done: {left[0]}")
            time.sleep(0.2)
        wanted = self.told.last_ordinals(self._all_tasks())
        while self.told.behind(wanted):
            self.check_alive()
            if time.monotonic() > end:
                raise AssertionError(f"events are missing: {self.told.behind(wanted)[:3]}")
            time.sleep(0.1)
        self.working.set()
        for thread in self.working_threads:
            thread.join(30)
        self.check_alive()

    def _all_tasks(self):
        user = self._any(self.users, "all")
        return [self._repeat(lambda task_id=task_id: user.ListTaskEvents(task_id=task_id))
                for task_id in self.told.task_ids()]

    def close(self):
        self.submitting.set()
        self.working.set()
        for connection in self.connections:
            connection.close()
