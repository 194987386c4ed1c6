"""What a scheduler and an agent do, as far as the ledger sees it."""

import itertools
import uuid

import stubs

SHARDS = 16
_names = itertools.count(1)


def shard_of(task_id):
    return uuid.UUID(task_id).bytes[15] % SHARDS


def command(*argv, **fields):
    """A specification that runs a program."""
    return stubs.spec.TaskSpec(command=stubs.spec.Command(argv=argv or ("true",)), **fields)


class Scheduler:
    """Holds all shards."""

    def __init__(self, ledger, owner=None):
        self.ledger = ledger
        self.owner = owner or f"scheduler-{uuid.uuid4().hex[:8]}"
        self.epochs = {}

    def acquire(self, want=0):
        answer = self.ledger.AcquireShards(owner_id=self.owner, want=want)
        self.epochs = {lease.shard: lease.epoch for lease in answer.shards}
        return self

    def release(self):
        self.ledger.AcquireShards(owner_id=self.owner, release=True)
        self.epochs = {}


class Agent:
    """One agent with its session; assigns to itself."""

    def __init__(self, ledger, scheduler, name=None):
        self.ledger, self.scheduler = ledger, scheduler
        self.name = name or f"agent-{next(_names)}-{uuid.uuid4().hex[:6]}"
        self.epoch = 0

    def open(self, held=(), restarted=False):
        answer = self.ledger.OpenSession(
            agent_id=self.name, hub_id="hub", restarted=restarted,
            held=[stubs.ledger.HeldTask(task_id=task, generation=generation) for task, generation in held])
        self.epoch = answer.session_epoch
        return answer

    def renew(self):
        answer = self.ledger.RenewSessions(
            sessions=[stubs.ledger.SessionRef(agent_id=self.name, session_epoch=self.epoch)])
        return self.name in answer.renewed_agent_ids

    def assignment(self, given, generation=0, **fields):
        return stubs.ledger.Assignment(**{
            "task_id": given, "generation": generation, "agent_id": self.name, "session_epoch": self.epoch,
            "shard_epoch": self.scheduler.epochs.get(shard_of(given), 0), **fields})

    def assign(self, task_id, generation=0, **fields):
        return self.ledger.AssignTasks(assignments=[self.assignment(task_id, generation, **fields)]).results[0]

    def take(self, task_id, generation=0):
        """Assigned and accepted; the new generation."""
        given = self.assign(task_id, generation)
        if given.error.reason:
            raise AssertionError(f"cannot be assigned: {given.error}")
        self.expect(self.report(task_id, given.generation, accepted=stubs.ledger.AcceptedReport()))
        return given.generation

    def report(self, task_id, generation, session_epoch=None, agent_id=None, **what):
        epoch = self.epoch if session_epoch is None else session_epoch
        report = stubs.ledger.TaskReport(task_id=task_id, generation=generation, agent_id=agent_id or self.name,
                                         session_epoch=epoch, **what)
        return self.ledger.ReportTasks(reports=[report]).results[0]

    @staticmethod
    def expect(result):
        if result.error.reason:
            raise AssertionError(f"refused: {result.error}")
        return result

    def accept(self, task_id, generation):
        return self.report(task_id, generation, accepted=stubs.ledger.AcceptedReport())

    def reject(self, task_id, generation, reason="BUSY"):
        return self.report(task_id, generation, rejected=stubs.ledger.RejectedReport(reason=reason))

    def finish(self, task_id, generation, **result):
        return self.report(task_id, generation,
                           evidence=stubs.ledger.EvidenceReport(result=stubs.task.TaskResult(**result)))

    def fail(self, task_id, generation, reason="EXIT_STATUS", permanent=False, **result):
        failed = stubs.ledger.FailedReport(failure=stubs.task.TaskFailure(reason=reason, message="it failed"),
                                           permanent=permanent)
        if result:
            failed.result.CopyFrom(stubs.task.TaskResult(**result))
        return self.report(task_id, generation, failed=failed)

    def let_go(self, task_id, generation, reason="draining"):
        return self.report(task_id, generation, released=stubs.ledger.ReleasedReport(reason=reason))

    def phase(self, task_id, generation, phase):
        return self.report(task_id, generation, phase=stubs.ledger.PhaseReport(phase=phase))

    def block(self, task_id, generation, question):
        return self.report(task_id, generation,
                           blocked=stubs.ledger.BlockedReport(question=question, reason="needs_input"))

    def progress(self, task_id, generation, message="", percent=None):
        return self.report(task_id, generation,
                           progress=stubs.ledger.ProgressReport(message=message, percent=percent))
