"""What must be true of a task's life, as its clients saw it and as the database holds it; each function returns the
contradictions in words. No connection to anything: a checker that cannot be shown a broken life is worth nothing."""

import collections
import dataclasses

import stubs

task_pb = stubs.task
QUEUED, ASSIGNED, RUNNING = task_pb.TASK_STATE_QUEUED, task_pb.TASK_STATE_ASSIGNED, task_pb.TASK_STATE_RUNNING
SUCCEEDED, DEAD = task_pb.TASK_STATE_SUCCEEDED, task_pb.TASK_STATE_DEAD_LETTER
ENDS = (SUCCEEDED, task_pb.TASK_STATE_PARTIAL, DEAD, task_pb.TASK_STATE_CANCELLED, task_pb.TASK_STATE_EXPIRED)
LEGAL = {
    QUEUED: {QUEUED, ASSIGNED, task_pb.TASK_STATE_CANCELLED, task_pb.TASK_STATE_EXPIRED, DEAD},
    # Acceptance is implied by what follows it.
    ASSIGNED: {ASSIGNED, RUNNING, QUEUED, SUCCEEDED, DEAD, task_pb.TASK_STATE_CANCELLED, task_pb.TASK_STATE_EXPIRED},
    RUNNING: {RUNNING, QUEUED, SUCCEEDED, DEAD, task_pb.TASK_STATE_CANCELLED, task_pb.TASK_STATE_EXPIRED},
}
# Clocks are of one host, but stamps are taken at different moments.
SLACK = 0.25


@dataclasses.dataclass
class Run:
    """One execution, as its program wrote it down."""
    request: str
    nonce: str
    agent: str
    begin: float
    end: float = None
    status: int = None


def read_runs(lines):
    """From the lines of the program `mark`: nonce -> Run."""
    runs = {}
    for line in lines:
        what, request, nonce, agent, at, *status = line.split()
        if what == "begin":
            runs[nonce] = Run(request, nonce, agent, float(at))
        elif nonce in runs and what == "end":
            runs[nonce].end, runs[nonce].status = float(at), int(status[0])
        elif nonce in runs:
            runs[nonce].end = float(at)
    return runs


def seconds(stamp):
    return stamp.seconds + stamp.nanos / 1e9


def state_name(state):
    return task_pb.TaskState.Name(state)[len("TASK_STATE_"):]


def set_faults(acknowledged, stored):
    """`acknowledged`: request id -> task id. `stored`: task id -> Task."""
    for request, task_id in acknowledged.items():
        if task_id not in stored:
            yield f"the acknowledged task {task_id} ({request}) is lost"
        elif stored[task_id].spec.title != request:
            yield f"{task_id} has the content of {stored[task_id].spec.title}, not of {request}"
    titles = collections.Counter(task.spec.title for task in stored.values())
    for title, count in titles.items():
        if count > 1:
            yield f"{title} was stored {count} times"


def timeline_faults(task, events):
    """Order, owners and the one end, from the events alone; and that the task agrees with them."""
    name = task.id
    if [event.ordinal for event in events] != list(range(1, len(events) + 1)):
        yield f"{name} has the events {[event.ordinal for event in events]}"
    if not events or events[0].kind != task_pb.EVENT_KIND_SUBMITTED:
        yield f"{name} does not begin with its submission"
        return
    state, generation, owner, accepted, ended = events[0].state, 0, None, False, False
    owners = {}
    for event in events[1:]:
        what = f"{name}#{event.ordinal} {task_pb.EventKind.Name(event.kind)[len('EVENT_KIND_'):]}"
        if ended:
            yield f"{what} came after the end"
        if event.state not in LEGAL.get(state, ()):
            yield f"{what}: from {state_name(state)} to {state_name(event.state)}"
        state = event.state
        if event.kind == task_pb.EVENT_KIND_ASSIGNED:
            if owner is not None:
                yield f"{what}: {event.agent_id}/{event.generation} while {owner}/{generation} owns it"
            if event.generation != generation + 1:
                yield f"{what}: generation {event.generation} after {generation}"
            generation, owner, accepted = event.generation, event.agent_id, False
            owners[generation] = owner
            continue
        if event.generation != generation:
            yield f"{what} of generation {event.generation} in generation {generation}"
        if event.kind == task_pb.EVENT_KIND_ACCEPTED:
            if owner is None or event.agent_id != owner:
                yield f"{what} by {event.agent_id}, the owner is {owner}"
            if accepted:
                yield f"{what} a second time"
            accepted = True
        elif event.kind in (task_pb.EVENT_KIND_RETURNED, task_pb.EVENT_KIND_FINISHED):
            if owner is not None and event.agent_id != owner:
                yield f"{what} from {event.agent_id}, the owner is {owner}"
            if owner is None and event.kind == task_pb.EVENT_KIND_RETURNED:
                yield f"{what} of nobody"
            owner, ended = None, event.kind == task_pb.EVENT_KIND_FINISHED
        elif event.kind == task_pb.EVENT_KIND_PHASE and (owner is None or event.agent_id != owner):
            yield f"{what} of {event.agent_id}, the owner is {owner}"
    if not ended:
        yield f"{name} did not end: it is {state_name(task.state)}"
    if task.state != state or task.generation != generation:
        yield (f"{name} is {state_name(task.state)}/{task.generation}, "
               f"its last event says {state_name(state)}/{generation}")
    stored = {attempt.generation: attempt.agent_id for attempt in task.history}
    if stored != owners or len(stored) != len(task.history):
        yield f"{name} was assigned {owners}, its history says {[(a.generation, a.agent_id) for a in task.history]}"


def outcome_faults(task):
    """One end, and it is that of the last assignment."""
    name = task.id
    if task.state not in ENDS:
        yield f"{name} did not end: it is {state_name(task.state)}"
        return
    done = [attempt for attempt in task.history if attempt.outcome == task_pb.ATTEMPT_OUTCOME_SUCCEEDED]
    if len(done) != (task.state == SUCCEEDED):
        yield f"{name} is {state_name(task.state)} with {len(done)} successful attempts"
    if done and done[-1].generation != task.generation:
        yield f"{name} succeeded with generation {done[-1].generation}, its last is {task.generation}"
    charged = sum(attempt.charged for attempt in task.history)
    if task.attempts != charged:
        yield f"{name}: {task.attempts} attempts, {charged} charged in its history"
    reports = (task_pb.ATTEMPT_OUTCOME_SUCCEEDED, task_pb.ATTEMPT_OUTCOME_FAILED)
    for attempt in task.history:
        if attempt.charged != (attempt.outcome in reports):
            yield f"{name}/{attempt.generation}: {task_pb.AttemptOutcome.Name(attempt.outcome)}, charged {attempt.charged}"
    for attempt, later in zip(task.history, task.history[1:]):
        if seconds(attempt.finish_time) > seconds(later.assign_time):
            yield f"{name}/{later.generation} began before {attempt.generation} was over"


def run_faults(task, runs, agent_ids, alone=False):
    """`runs`: what the program wrote down for this task; `agent_ids`: name -> id. With `alone`, that no two executions
    went on at the same time."""
    name = task.id
    given = collections.Counter(attempt.agent_id for attempt in task.history)
    ran = collections.Counter(agent_ids[run.agent] for run in runs)
    for agent, count in ran.items():
        if count > given[agent]:
            yield f"{name} was given to {agent} {given[agent]} times and ran there {count} times"
    failed = sum(attempt.outcome == task_pb.ATTEMPT_OUTCOME_FAILED for attempt in task.history)
    if sum(run.status not in (None, 0) for run in runs) < failed:
        yield f"{name} failed {failed} times without having run as often"
    if task.state == SUCCEEDED:
        nonce = task.result.output.strip()
        mine = [run for run in runs if run.nonce == nonce]
        last = task.history[-1]
        if not mine:
            yield f"{name} has a result that no execution of it made: {task.result.output!r}"
        elif (agent_ids[mine[0].agent] != last.agent_id or mine[0].begin < seconds(last.assign_time) - SLACK or
              mine[0].end is None or mine[0].end > seconds(last.finish_time) + SLACK):
            yield f"{name} has the result of another assignment than {last.generation} by {last.agent_id}: {mine[0]}"
    if alone:
        ordered = sorted(runs, key=lambda run: run.begin)
        for run, later in zip(ordered, ordered[1:]):
            if run.end is None or run.end > later.begin:
                yield f"{name} ran twice at once: {run} and {later}"


def watch_faults(name, seen, events):
    """`seen`: ordinals as a watch told them, resumed again and again; `events`: the timeline."""
    if seen != [event.ordinal for event in events]:
        yield f"{name} has the events {[event.ordinal for event in events]}, watched were {seen}"
