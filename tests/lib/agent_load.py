"""People who submit work and watch it while executors do it, and the check of what became of all of it."""

import collections
import random
import threading
import time
import uuid

import grpc

import life_rules
import stubs
from agents import command
from client import RETRIED, CallError, Connection
from workload import DEADLINE, LOST, AnyReplica

LIVE = stubs.queue.TaskFilter(states=[stubs.task.TASK_STATE_QUEUED, stubs.task.TASK_STATE_ASSIGNED,
                                      stubs.task.TASK_STATE_RUNNING])
STAGES = ("ready", "held", "running", "judging", "dead", "outcome", "outcome_pinned")
MAX_ATTEMPTS = 2
# gRPC ends calls that reach a server in the moment of its GOAWAY as CANCELLED; nothing was done.
AGAIN = (*RETRIED, grpc.StatusCode.CANCELLED)


class AgentLoad:
    """start(), then faults, then finish(): everything must end. Everything random comes from the seed."""

    def __init__(self, installation, seed, submitters=3, pause=0.15, longest=0.5, watches=2):
        self.installation, self.seed = installation, seed
        self.pause, self.longest = pause, longest
        self.patience = 30.0  # for events that watches have not told yet
        self.run_id = uuid.UUID(int=random.Random(f"{seed}-run").getrandbits(128)).hex[:8]
        self.lock = threading.Lock()
        self.acknowledged = {}  # request id: task
        self.repeats, self.faults = 0, []
        self.alone = set()  # tasks with effects beyond their workspace
        self.watched = [collections.defaultdict(list) for _ in range(watches)]  # task: ordinals as they came
        self.failures = []
        self.connections = [Connection(queue.address, installation.tokens["admin"], DEADLINE)
                            for queue in installation.queues]
        self.users = [connection.tasks for connection in self.connections]
        self.submitting, self.watching = threading.Event(), threading.Event()
        self.began = [threading.Event() for _ in range(watches)]
        self.submitters = [threading.Thread(target=self._guarded, args=(self._submit, index), daemon=True)
                           for index in range(submitters)]
        self.watchers = [threading.Thread(target=self._guarded, args=(self._watch, index), daemon=True)
                         for index in range(watches)]

    def _guarded(self, part, index):
        try:
            part(index)
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def any(self, name):
        return AnyReplica(self.users, random.Random(f"{self.seed}-{name}"))

    def repeat(self, call, bound=120.0):
        """Until there is an answer."""
        end = time.monotonic() + bound
        while True:
            try:
                return call()
            except CallError as error:
                if error.code not in AGAIN or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    # What the clients do.
    def spec(self, request_id, seconds=0.0, status=0, network=False, **fields):
        policy = {"max_attempts": MAX_ATTEMPTS, "backoff": [{}]}
        return command(self.installation.mark, request_id, f"{seconds:.3f}" if seconds else "0", str(status),
                       **{"title": request_id, "project": "faults", "retry_policy": policy,
                          "on_lost": stubs.spec.ON_LOST_RETRY,
                          "effects": stubs.spec.EFFECTS_NETWORK if network else stubs.spec.EFFECTS_WORKSPACE, **fields})

    def submit(self, name, tasks=None, **fields):
        """One task, until it is acknowledged; its id."""
        tasks = tasks or self.any(f"submit-{name}")
        request_id = f"{self.run_id}-{name}"
        spec = self.spec(request_id, **fields)
        task_id = self.repeat(lambda: tasks.SubmitTask(request_id=request_id, spec=spec)).task_id
        with self.lock:
            if self.acknowledged.setdefault(request_id, task_id) != task_id:
                self.faults.append(f"{request_id} made two tasks, {self.acknowledged[request_id]} and {task_id}")
            if fields.get("network"):
                self.alone.add(task_id)
        return task_id

    def _submit(self, index):
        rng = random.Random(f"{self.seed}-submit-{index}")
        tasks = self.any(f"submit-{index}-replica")
        number = 0
        while not self.submitting.is_set():
            fields = {"seconds": rng.random() * self.longest if rng.random() < 0.5 else 0.0,
                      "status": int(rng.random() < 0.1), "network": rng.random() < 0.15,
                      "lane": rng.choice([1, 2, 3, 4])}
            for _ in range(2 if rng.random() < 0.1 else 1):
                self.submit(f"{index}-{number}", tasks, **fields)
            number += 1
            time.sleep(rng.random() * 2 * self.pause)

    def _watch(self, index):
        token, rng = "", random.Random(f"{self.seed}-watch-{index}")
        seen = self.watched[index]
        while not self.watching.is_set():
            stream = rng.choice(self.users).WatchTasks(resume_token=token, timeout=5)
            try:
                for message in stream.call:
                    for event in message.events:
                        seen[event.task_id].append(event.ordinal)
                    token = message.resume_token
                    self.began[index].set()
            except Exception as failure:
                if stream.call.code() is not None and stream.call.code().name not in LOST:
                    raise AssertionError(f"the watch ended: {CallError(failure)}") from None
            time.sleep(0.05)

    # What the test does.
    def watch(self):
        for thread in self.watchers:
            thread.start()
        for began in self.began:
            if not began.wait(30):
                raise AssertionError("a watch did not begin")
        return self

    def start(self):
        if self.watchers[0].ident is None:
            self.watch()
        for thread in self.submitters:
            thread.start()
        return self

    def check_alive(self):
        if self.failures:
            raise AssertionError(f"a client failed: {self.failures[0]!r}") from self.failures[0]

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            time.sleep(0.05)

    def get(self, task_id):
        user = self.any("get")
        return self.repeat(lambda: user.GetTask(task_id=task_id)).task

    def events(self, task_id):
        user = self.any("events")
        answer = self.repeat(lambda: user.ListTaskEvents(task_id=task_id))
        if answer.omitted:
            raise AssertionError(f"{answer.omitted} events of {task_id} are not told")
        return list(answer.events)

    def stop_submitting(self):
        self.submitting.set()
        for thread in self.submitters:
            if thread.ident is not None:
                thread.join(130)

    def finish(self, timeout=120.0):
        """No more submissions; waits until all has ended. Returns how long that took."""
        self.stop_submitting()
        user, began = self.any("finish"), time.monotonic()
        while True:
            self.check_alive()
            left = self.repeat(lambda: user.ListTasks(filter=LIVE, page_size=100)).tasks
            if not left:
                return time.monotonic() - began
            if time.monotonic() > began + timeout:
                told = [str(event).replace("\n", " ") for event in self.events(left[0].id)]
                raise AssertionError(f"{len(left)} or more did not end in {timeout} s: {left[0]}\n" + "\n".join(told))
            time.sleep(0.2)

    def stored(self):
        """The tasks of this load, acknowledged or not."""
        user, out, token = self.any("stored"), {}, ""
        mine = stubs.queue.TaskFilter(projects=["faults"])
        while True:
            page = self.repeat(lambda: user.ListTasks(filter=mine, page_size=1000, page_token=token))
            # Lists leave out what a task printed.
            out.update((task.id, self.get(task.id)) for task in page.tasks if task.spec.title.startswith(self.run_id))
            token = page.next_page_token
            if not token:
                return out

    def check(self, alone=False):
        """Every contradiction between what clients were told, what the database holds and what was executed. `alone`: work
        with effects beyond its workspace never ran twice at once."""
        found = list(self.faults)
        stored = self.stored()
        found += life_rules.set_faults(self.acknowledged, stored)
        runs = collections.defaultdict(list)
        for run in life_rules.read_runs(self.installation.world_lines()).values():
            if run.request.startswith(self.run_id):
                runs[run.request].append(run)
        agent_ids = {agent.name: agent.agent_id for agent in self.installation.agents.values()}
        timelines = {task_id: self.events(task_id) for task_id in stored}
        self._await_watches(timelines)
        for task_id, task in stored.items():
            found += life_rules.timeline_faults(task, timelines[task_id])
            found += life_rules.outcome_faults(task)
            found += life_rules.run_faults(task, runs[task.spec.title], agent_ids, alone and task_id in self.alone)
            for seen in self.watched:
                found += life_rules.watch_faults(task_id, seen.get(task_id, []), timelines[task_id])
            wanted = int(task.spec.command.argv[3]) if len(task.spec.command.argv) == 4 else 0
            if task.state != (life_rules.DEAD if wanted else life_rules.SUCCEEDED):
                found.append(f"{task_id} ended as {life_rules.state_name(task.state)}: {task.failure}, {task.history}")
            elif wanted and task.failure.reason != "EXIT_STATUS":
                found.append(f"{task_id} was given up for {task.failure}")
        found += self._table_faults()
        time.sleep(0.5)
        again = self.stored()
        found += [f"{task_id} did not stay as it ended" for task_id, task in stored.items() if again.get(task_id) != task]
        self.summary = (f"{len(stored)} tasks, {sum(task.generation for task in stored.values())} assignments, "
                        f"{sum(task.losses for task in stored.values())} losses, {sum(map(len, runs.values()))} executions, "
                        f"longest pause {max(map(self._longest_pause, timelines.values()), default='none')}")
        return found

    @staticmethod
    def _longest_pause(events):
        """Seconds between two events of one task, which two, and whose."""
        at = life_rules.seconds
        return max(((round(at(later.time) - at(event.time), 1), stubs.task.EventKind.Name(event.kind)[11:],
                     stubs.task.EventKind.Name(later.kind)[11:], event.task_id)
                    for event, later in zip(events, events[1:])), default=(0.0, "", "", ""))

    def _await_watches(self, timelines):
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            self.check_alive()
            if all(len(seen.get(task_id, ())) >= len(events) for seen in self.watched
                   for task_id, events in timelines.items()):
                return
            time.sleep(0.1)

    def _table_faults(self):
        postgres = self.installation.postgres
        union = " UNION ALL ".join(f"SELECT id FROM task_queue.{stage}" for stage in STAGES)
        for row in postgres.sql(f"SELECT id, count(*) FROM ({union}) s GROUP BY id HAVING count(*) <> 1"):
            yield f"{row[0]} stands in {row[1]} stages"
        for row in postgres.sql(
                f"SELECT t.id FROM task_queue.task t WHERE NOT EXISTS (SELECT FROM ({union}) s WHERE s.id = t.id)"):
            yield f"{row[0]} stands in no stage"
        tasks, keys = (int(postgres.value(f"SELECT count(*) FROM task_queue.{table}")) for table in ("task", "request_key"))
        if tasks != keys:
            yield f"{tasks} tasks are stored for {keys} request ids"

    def close(self):
        self.submitting.set()
        self.watching.set()
        for connection in self.connections:
            connection.close()
        for thread in [*self.submitters, *self.watchers]:
            if thread.ident is not None:
                thread.join(10)
