"""What clients were told, and whether the database agrees with it."""

import collections
import threading
import time

import stubs

MAX_ATTEMPTS = 3
STAGES = ("ready", "held", "running", "judging", "dead", "outcome", "outcome_pinned")
OUTCOMES = {"finish": stubs.task.ATTEMPT_OUTCOME_SUCCEEDED, "fail": stubs.task.ATTEMPT_OUTCOME_FAILED,
            "release": stubs.task.ATTEMPT_OUTCOME_RELEASED}


class Told:
    """Every answer that a client got. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self.faults = []
        self.requests = {}  # request id: task
        self.owners = {}  # (task, generation): agent
        self.ends = {}  # (task, generation): (agent, kind, summary, state)
        self.events = collections.defaultdict(list)  # task: ordinals as they came
        self.repeats = 0

    def fault(self, text):
        with self._lock:
            self.faults.append(text)

    def _once(self, known, key, value, what):
        with self._lock:
            if known.setdefault(key, value) != value:
                self.faults.append(f"{what} {key}: {known[key]} and {value}")

    def submitted(self, request_id, task_id):
        self._once(self.requests, request_id, task_id, "one request id made two tasks,")

    def owned(self, task_id, generation, agent):
        self._once(self.owners, (task_id, generation), agent, "two owners of")

    def ended(self, task_id, generation, agent, kind, summary, state):
        with self._lock:
            self.repeats += (task_id, generation) in self.ends
        self._once(self.ends, (task_id, generation), (agent, kind, summary, state), "two ends of")

    def watched(self, events):
        with self._lock:
            for event in events:
                self.events[event.task_id].append(event.ordinal)

    def task_ids(self):
        with self._lock:
            return sorted(self.requests.values())

    @staticmethod
    def last_ordinals(timelines):
        return {timeline.events[0].task_id: timeline.events[-1].ordinal for timeline in timelines}

    def behind(self, wanted):
        with self._lock:
            return [(task_id, last, self.events.get(task_id)) for task_id, last in wanted.items()
                    if not self.events.get(task_id) or self.events[task_id][-1] < last]


class Checker:
    """faults(): every contradiction, in words. Reads the database itself and over the services."""

    def __init__(self, stack, told):
        self.stack, self.told, self.found = stack, told, list(told.faults)
        self.tasks = stack.connect("admin").tasks

    def faults(self):
        stored = self._stored()
        self._check_tasks(stored)
        self._check_stages()
        self._check_counts()
        self._check_events(stored)
        time.sleep(1)
        again = self._stored()
        for task_id, task in stored.items():
            if again.get(task_id) != task:
                self._say(f"{task_id} did not stay as it ended")
        return self.found

    def _say(self, text):
        self.found.append(text)

    def _stored(self):
        out, token = {}, ""
        while True:
            page = self.tasks.ListTasks(page_size=1000, page_token=token)
            out.update((task.id, task) for task in page.tasks)
            token = page.next_page_token
            if not token:
                return out

    def _check_tasks(self, stored):
        acknowledged = set(self.told.requests.values())
        for lost in acknowledged - set(stored):
            self._say(f"the acknowledged task {lost} is lost")
        for extra in set(stored) - acknowledged:
            self._say(f"the task {extra} was stored and its request id answered with another, or never")
        titles = {task_id: request_id for request_id, task_id in self.told.requests.items()}
        ends = collections.defaultdict(dict)
        for (task_id, generation), end in self.told.ends.items():
            ends[task_id][generation] = end
        for task_id in acknowledged & set(stored):
            self._check_task(stored[task_id], titles[task_id], ends[task_id])

    def _check_task(self, task, title, ends):
        name = task.id
        if task.spec.title != title:
            self._say(f"{name} has the content of {task.spec.title}, not of {title}")
        history = {attempt.generation: attempt for attempt in task.history}
        if sorted(history) != list(range(1, task.generation + 1)) or len(history) != len(task.history):
            self._say(f"{name}: assignments {[attempt.generation for attempt in task.history]} of {task.generation}")
        for generation, attempt in history.items():
            owner = self.told.owners.get((name, generation))
            if owner is not None and owner != attempt.agent_id:
                self._say(f"{name}/{generation} was told to be {owner}'s and is stored as {attempt.agent_id}'s")
        for generation, (agent, kind, _, _) in ends.items():
            attempt = history.get(generation)
            if attempt is None or (attempt.agent_id, attempt.outcome) != (agent, OUTCOMES[kind]):
                self._say(f"{name}/{generation}: {agent} was told that its {kind} counts; stored is {attempt}")
        for generation in set(history) - set(ends):
            self._say(f"{name}/{generation} ended ({history[generation].outcome}) without its agent's being told")
        charged = sum(attempt.charged for attempt in task.history)
        told = sum(kind in ("finish", "fail") for _, kind, _, _ in ends.values())
        if not task.attempts == charged == told <= MAX_ATTEMPTS:
            self._say(f"{name}: {task.attempts} attempts, {charged} charged in its history, {told} reported")
        finished = [(generation, end) for generation, end in ends.items() if end[1] == "finish"]
        if len(finished) > 1:
            self._say(f"{name} was finished {len(finished)} times")
        state = stubs.task.TASK_STATE_SUCCEEDED if finished else stubs.task.TASK_STATE_DEAD_LETTER
        if task.state != state:
            self._say(f"{name} is {stubs.task.TaskState.Name(task.state)} after {ends}")
        if finished:
            generation, (_, _, summary, told_state) = finished[0]
            if task.result.summary != summary or generation != task.generation or told_state != task.state:
                self._say(f"{name}: the result is {task.result.summary}, told was {summary}")
        elif task.attempts != MAX_ATTEMPTS:
            self._say(f"{name} was given up after {task.attempts} attempts")

    def _check_stages(self):
        union = " UNION ALL ".join(f"SELECT id FROM task_queue.{stage}" for stage in STAGES)
        for row in self.stack.postgres.sql(f"SELECT id, count(*) FROM ({union}) s GROUP BY id HAVING count(*) <> 1"):
            self._say(f"{row[0]} stands in {row[1]} stages")
        for row in self.stack.postgres.sql(
                f"SELECT t.id FROM task_queue.task t WHERE NOT EXISTS (SELECT FROM ({union}) s WHERE s.id = t.id)"):
            self._say(f"{row[0]} stands in no stage")
        keys = int(self.stack.postgres.value("SELECT count(*) FROM task_queue.request_key"))
        if keys != len(self.told.requests):
            self._say(f"{keys} request ids are stored, {len(self.told.requests)} were answered")

    def _check_counts(self):
        stats = self.tasks.GetQueueStats()
        counted = [sum(getattr(lane, name) for lane in stats.lanes)
                   for name in ("ready", "held", "assigned_or_running", "verifying", "dead_letter", "finished")]
        stored = [int(self.stack.postgres.value(f"SELECT count(*) FROM task_queue.{stage}")) for stage in STAGES[:6]]
        if counted != stored:
            self._say(f"the counts are {counted}, the tables hold {stored}")

    def _check_events(self, stored):
        for task_id in stored:
            timeline = [event.ordinal for event in self.tasks.ListTaskEvents(task_id=task_id).events]
            if timeline != list(range(1, len(timeline) + 1)):
                self._say(f"{task_id} has the events {timeline}")
            if self.told.events.get(task_id) != timeline:
                self._say(f"{task_id} has the events {timeline}, watched were {self.told.events.get(task_id)}")
