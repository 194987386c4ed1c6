"""Assignments, reports, verdicts and holds, with every reason that refuses them."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import Agent, Scheduler, shard_of  # noqa: E402
from stack import StackTest  # noqa: E402

spec, task, ledger = stubs.spec, stubs.task, stubs.ledger
NEVER = "01900000-0000-7000-8000-000000000000"
REQUIRED = {"verdict_policy": spec.VERDICT_POLICY_REQUIRED}


class LedgerTest(StackTest):
    def conclude(self, task_id, generation, verdict, **fields):
        return self.ledger.ConcludeTasks(conclusions=[ledger.Conclusion(
            task_id=task_id, generation=generation, verdict=verdict, **fields)]).results[0]

    def put_on_hold(self, task_id, reason, generation=0, **fields):
        return self.ledger.HoldTasks(holds=[ledger.Hold(task_id=task_id, generation=generation, reason=reason,
                                                        **fields)]).results[0]

    def judged(self):
        agent, task_id = self.agent(), self.submit(**REQUIRED)
        generation = agent.take(task_id)
        self.assertEqual(agent.finish(task_id, generation, evidence=b"proof").state, task.TASK_STATE_VERIFYING)
        return agent, task_id, generation

    def test_an_assignment_carries_the_next_generation_the_specification_and_the_trace(self):
        agent = self.agent()
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        task_id = self.tasks.SubmitTask(
            spec=spec.TaskSpec(command=spec.Command(argv=["make"])), metadata=[("traceparent", trace)]).task_id
        given = agent.assign(task_id, routing=b"route")
        self.assertEqual((given.task_id, given.generation), (task_id, 1))
        self.assertEqual(list(given.spec.command.argv), ["make"])
        self.assertGreater(given.accept_by.seconds, self.get(task_id).assign_time.seconds)
        self.assertEqual(given.traceparent, self.get(task_id).traceparent)
        self.assertEqual(self.state(task_id), "ASSIGNED")
        self.assertEqual(self.get(task_id).agent_id, agent.name)

    def test_a_task_is_assigned_once(self):
        agent, other, task_id = self.agent(), self.agent(), self.submit()
        agent.take(task_id)
        self.refused(other.assign(task_id, 0), "STALE_GENERATION")
        self.refused(other.assign(task_id, 1), "TASK_NOT_READY")
        agent.finish(task_id, 1)
        self.refused(other.assign(task_id, 1), "TASK_NOT_READY")

    def test_assignments_are_refused_item_by_item(self):
        agent, good, bad = self.agent(), self.submit(), self.submit()
        results = self.ledger.AssignTasks(assignments=[
            agent.assignment(NEVER), agent.assignment(bad, 7), agent.assignment(good),
            agent.assignment(NEVER, task_id="x"), agent.assignment(bad, session_epoch=99),
            agent.assignment(bad, shard_epoch=-1)]).results
        self.assertEqual([result.error.reason for result in results],
                         ["TASK_NOT_FOUND", "STALE_GENERATION", "", "INVALID_FIELD", "STALE_SESSION",
                          "STALE_SHARD_EPOCH"])
        self.assertEqual(self.state(bad), "QUEUED")

    def test_an_agent_without_a_session_gets_nothing(self):
        stranger, task_id = Agent(self.ledger, self.scheduler()), self.submit()
        self.refused(stranger.assign(task_id), "STALE_SESSION")

    def test_a_scheduler_that_lost_its_shard_assigns_nothing_of_it(self):
        agent, task_id = self.agent(), self.submit()
        mine = dict(self.scheduler().epochs)
        self.scheduler().release()
        try:
            newer = Scheduler(self.ledger).acquire()
            self.assertGreater(newer.epochs[shard_of(task_id)], mine[shard_of(task_id)])
            self.refused(agent.assign(task_id, shard_epoch=mine[shard_of(task_id)]), "STALE_SHARD_EPOCH")
            newer.release()
        finally:
            self.scheduler().acquire()
        agent.take(task_id)

    def test_accepting_starts_the_task_and_again_is_the_same(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.assign(task_id).generation
        for _ in range(2):
            self.assertEqual(agent.expect(agent.accept(task_id, generation)).state, task.TASK_STATE_RUNNING)
        self.assertEqual([kind for kind, _ in self.events(task_id)], ["SUBMITTED", "ASSIGNED", "ACCEPTED"])

    def test_a_rejection_returns_the_task_without_a_charge(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.assign(task_id).generation
        self.assertEqual(agent.expect(agent.reject(task_id, generation, "NO_DISK")).state, task.TASK_STATE_QUEUED)
        stored = self.get(task_id)
        self.assertEqual((stored.attempts, stored.losses), (0, 1))
        self.assertEqual(stored.history[0].outcome, task.ATTEMPT_OUTCOME_REJECTED)
        self.assertFalse(stored.history[0].charged)
        self.assertEqual(self.events(task_id)[-1], ("RETURNED", "REJECTED"))
        again = agent.expect(agent.reject(task_id, generation, "NO_DISK"))
        self.assertEqual(again.state, task.TASK_STATE_QUEUED)

    def test_phases_blocks_and_progress_are_kept(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        agent.expect(agent.phase(task_id, generation, task.PHASE_GENERATING))
        self.assertEqual(self.get(task_id).phase, task.PHASE_GENERATING)
        agent.expect(agent.block(task_id, generation, "which branch?"))
        self.assertEqual((self.get(task_id).phase, self.get(task_id).question), (task.PHASE_BLOCKED, "which branch?"))
        agent.expect(agent.phase(task_id, generation, task.PHASE_APPLYING))
        self.assertEqual((self.get(task_id).phase, self.get(task_id).question), (task.PHASE_APPLYING, ""))
        agent.expect(agent.progress(task_id, generation, "half", percent=50))
        self.assertEqual([kind for kind, _ in self.events(task_id)],
                         ["SUBMITTED", "ASSIGNED", "ACCEPTED", "PHASE", "BLOCKED", "PHASE"])

    def test_a_report_before_the_acceptance_implies_it(self):
        agent = self.agent()
        for name in ("phase", "finish", "fail", "block", "progress"):
            with self.subTest(report=name):
                task_id = self.submit()
                generation = agent.assign(task_id).generation
                argument = {"phase": (task.PHASE_EXECUTING,), "block": ("why?",)}.get(name, ())
                agent.expect(getattr(agent, name)(task_id, generation, *argument))
                self.assertIn(("ACCEPTED", ""), self.events(task_id))

    def test_success_ends_a_task_without_verification_and_is_charged(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        usage = task.Usage(model="m", input_tokens=5, output_tokens=7, cost_micros=9)
        agent.expect(agent.finish(task_id, generation, summary="done", usage=usage))
        stored = self.get(task_id)
        self.assertEqual((stored.state, stored.attempts), (task.TASK_STATE_SUCCEEDED, 1))
        self.assertEqual((stored.result.usage, stored.history[0].usage), (usage, usage))
        self.assertTrue(stored.history[0].charged)

    def test_every_final_report_twice_is_answered_as_the_first(self):
        agent = self.agent()
        for name, state in (("finish", "SUCCEEDED"), ("fail", "QUEUED"), ("let_go", "QUEUED"), ("reject", "QUEUED")):
            with self.subTest(report=name):
                task_id = self.submit(retry_policy={"backoff": [{"seconds": 600}]})
                generation = agent.assign(task_id).generation
                first = agent.expect(getattr(agent, name)(task_id, generation))
                events = self.events(task_id)
                for _ in range(2):
                    self.assertEqual(getattr(agent, name)(task_id, generation), first)
                self.assertEqual(self.events(task_id), events)
                self.assertEqual(self.state(task_id), state)

    def test_a_repeat_is_answered_as_the_first_even_when_the_task_went_on(self):
        agent, task_id = self.agent(), self.submit()
        first = agent.take(task_id)
        answer = agent.expect(agent.fail(task_id, first))
        second = agent.take(task_id, first)
        self.assertEqual(agent.fail(task_id, first), answer)
        agent.expect(agent.finish(task_id, second))
        self.assertEqual(agent.fail(task_id, first), answer)
        self.assertEqual(self.get(task_id).attempts, 2)

    def test_another_final_report_than_the_first_is_stale(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        agent.finish(task_id, generation)
        self.refused(agent.fail(task_id, generation), "STALE_GENERATION")
        self.refused(agent.let_go(task_id, generation), "STALE_GENERATION")
        self.assertEqual(self.state(task_id), "SUCCEEDED")

    def test_reports_of_another_generation_change_nothing(self):
        agent, task_id = self.agent(), self.submit()
        first = agent.take(task_id)
        agent.expect(agent.let_go(task_id, first))
        second = agent.take(task_id, first)
        events = self.events(task_id)
        for result in (agent.finish(task_id, first), agent.fail(task_id, first), agent.accept(task_id, first),
                       agent.phase(task_id, first, task.PHASE_APPLYING), agent.finish(task_id, second + 1)):
            error = self.refused(result, "STALE_GENERATION").error
            self.assertEqual(error.code, 9)
        self.assertEqual(self.events(task_id), events)

    def test_only_the_owner_reports(self):
        agent, other, task_id = self.agent(), self.agent(), self.submit()
        generation = agent.take(task_id)
        self.refused(other.finish(task_id, generation), "NOT_OWNER")
        self.assertEqual(self.state(task_id), "RUNNING")
        agent.expect(agent.finish(task_id, generation))
        self.refused(other.finish(task_id, generation), "STALE_GENERATION")

    def test_reports_of_an_older_session_are_refused(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        former = agent.epoch
        agent.open(held=[(task_id, generation)])
        self.refused(agent.report(task_id, generation, session_epoch=former,
                                  phase=ledger.PhaseReport(phase=task.PHASE_APPLYING)), "STALE_SESSION")
        self.refused(agent.report(task_id, generation, session_epoch=former, evidence=ledger.EvidenceReport()),
                     "STALE_SESSION")
        self.assertEqual(self.state(task_id), "RUNNING")
        agent.expect(agent.finish(task_id, generation))

    def test_failures_are_charged_and_retried_until_the_attempts_are_used_up(self):
        agent, task_id = self.agent(), self.submit(retry_policy={"max_attempts": 3, "backoff": [{}]})
        generation = 0
        for attempt in range(1, 4):
            generation = agent.take(task_id, generation)
            agent.expect(agent.fail(task_id, generation, "EXIT_STATUS", exit_code=attempt))
            self.assertEqual(self.get(task_id).attempts, attempt)
        stored = self.get(task_id)
        self.assertEqual(stored.state, task.TASK_STATE_DEAD_LETTER)
        self.assertEqual((stored.failure.reason, stored.result.exit_code), ("EXIT_STATUS", 3))
        self.assertEqual([attempt.outcome for attempt in stored.history], [task.ATTEMPT_OUTCOME_FAILED] * 3)
        self.assertEqual(self.events(task_id)[-1], ("FINISHED", "ATTEMPTS_EXHAUSTED"))

    def test_a_permanent_failure_is_not_retried(self):
        agent, task_id = self.agent(), self.submit()
        agent.expect(agent.fail(task_id, agent.take(task_id), permanent=True))
        self.assertEqual(self.state(task_id), "DEAD_LETTER")
        self.assertEqual(self.events(task_id)[-1], ("FINISHED", "PERMANENT_FAILURE"))

    def test_a_released_task_is_offered_again_without_a_charge(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        self.assertEqual(agent.expect(agent.let_go(task_id, generation)).state, task.TASK_STATE_QUEUED)
        stored = self.get(task_id)
        self.assertEqual((stored.attempts, stored.losses, stored.agent_id), (0, 0, ""))
        self.assertEqual(stored.history[0].outcome, task.ATTEMPT_OUTCOME_RELEASED)
        self.assertEqual(agent.take(task_id, generation), generation + 1)

    def test_rejected_too_often_it_goes_to_the_dead_letter(self):
        agent, task_id = self.agent(), self.submit()
        generation = 0
        for _ in range(3):
            self.tasks.RetryTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]))
            generation = agent.assign(task_id, generation).generation
            agent.expect(agent.reject(task_id, generation))
        stored = self.get(task_id)
        self.assertEqual((stored.state, stored.failure.reason), (task.TASK_STATE_DEAD_LETTER, "LOST_TOO_OFTEN"))
        self.assertEqual(stored.losses, 3)

    def test_reports_are_checked_item_by_item(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        reports = [ledger.TaskReport(task_id=task_id, generation=generation, agent_id=agent.name,
                                     session_epoch=agent.epoch, **what) for what in (
            {}, {"phase": ledger.PhaseReport()}, {"progress": ledger.ProgressReport(percent=101)},
            {"failed": ledger.FailedReport(failure=task.TaskFailure(reason="not upper"))},
            {"evidence": ledger.EvidenceReport(result=task.TaskResult(evidence=b"x" * ((256 << 10) + 1)))},
            {"blocked": ledger.BlockedReport(question="q" * 4097)},
            {"accepted": ledger.AcceptedReport()})]
        results = self.ledger.ReportTasks(reports=reports).results
        self.assertEqual([result.error.reason for result in results], ["INVALID_FIELD"] * 6 + [""])
        self.refused(agent.finish(NEVER, 1), "TASK_NOT_FOUND")
        self.assertEqual(self.fails("INVALID_FIELD", self.ledger.ReportTasks).fields, ["reports"])

    def test_a_verdict_is_awaited_by_nobody_and_ends_the_task(self):
        for verdict, state in ((ledger.VERDICT_SUCCEEDED, "SUCCEEDED"), (ledger.VERDICT_PARTIAL, "PARTIAL")):
            with self.subTest(state=state):
                agent, task_id, generation = self.judged()
                self.assertEqual(self.get(task_id).agent_id, agent.name)
                owned = self.ledger.ListAssigned(agent_ids=[agent.name]).tasks
                self.assertEqual([entry.assignment.task_id for entry in owned], [])
                for _ in range(2):
                    agent.expect(agent.finish(task_id, generation, evidence=b"proof"))
                for _ in range(2):
                    self.conclude(task_id, generation, verdict)
                    self.assertEqual(self.state(task_id), state)
                self.assertEqual(self.get(task_id).result.evidence, b"proof")
                self.assertEqual(agent.expect(agent.finish(task_id, generation)).state, task.TASK_STATE_VERIFYING)

    def test_a_failed_verdict_is_charged_and_retried(self):
        agent, task_id, generation = self.judged()
        failure = task.TaskFailure(reason="TESTS_FAILED", message="2 of 9")
        for _ in range(2):
            result = agent.expect(self.conclude(task_id, generation, ledger.VERDICT_FAILED, failure=failure))
            self.assertEqual(result.state, task.TASK_STATE_QUEUED)
        stored = self.get(task_id)
        self.assertEqual((stored.attempts, stored.failure.reason), (1, "TESTS_FAILED"))
        self.assertEqual(stored.history[0].outcome, task.ATTEMPT_OUTCOME_VERIFICATION_FAILED)
        agent.take(task_id, generation)

    def test_verdicts_are_refused_where_none_is_awaited(self):
        agent, task_id, generation = self.judged()
        self.refused(self.conclude(task_id, generation + 1, ledger.VERDICT_SUCCEEDED), "STALE_GENERATION")
        self.refused(self.conclude(task_id, generation, 0), "INVALID_FIELD")
        self.refused(self.conclude(NEVER, 1, ledger.VERDICT_SUCCEEDED), "TASK_NOT_FOUND")
        self.conclude(task_id, generation, ledger.VERDICT_SUCCEEDED)
        self.refused(self.conclude(task_id, generation, ledger.VERDICT_FAILED), "WRONG_STATE")
        running = self.submit(**REQUIRED)
        self.refused(self.conclude(running, agent.take(running), ledger.VERDICT_SUCCEEDED), "WRONG_STATE")

    def test_verification_steps_ask_for_a_verdict(self):
        task_id = self.submit(verification=[spec.VerificationStep(name="clean", git_clean=spec.GitClean())])
        agent = self.agent()
        self.assertEqual(agent.finish(task_id, agent.take(task_id)).state, task.TASK_STATE_VERIFYING)

    def test_a_held_task_is_not_offered_until_it_is_put_back(self):
        agent, task_id = self.agent(), self.submit()
        for _ in range(2):
            agent.expect(self.put_on_hold(task_id, task.HOLD_REASON_NO_ROUTE, message="no endpoint"))
        self.assertEqual(self.hold(task_id), "NO_ROUTE")
        self.refused(agent.assign(task_id), "TASK_NOT_READY")
        agent.expect(self.put_on_hold(task_id, task.HOLD_REASON_APPROVAL))
        self.assertEqual(self.hold(task_id), "APPROVAL")
        agent.expect(self.put_on_hold(task_id, task.HOLD_REASON_NONE))
        self.assertEqual(self.events(task_id),
                         [("SUBMITTED", ""), ("HELD", "NO_ROUTE"), ("HELD", "APPROVAL"), ("READY", "HOLD_ENDED")])
        agent.take(task_id)

    def test_holds_are_refused_where_they_make_no_sense(self):
        agent, task_id = self.agent(), self.submit()
        self.refused(self.put_on_hold(task_id, task.HOLD_REASON_PAUSED), "INVALID_FIELD")
        self.refused(self.put_on_hold(task_id, task.HOLD_REASON_UNSPECIFIED), "INVALID_FIELD")
        self.refused(self.put_on_hold(task_id, task.HOLD_REASON_NO_AGENT, generation=3), "STALE_GENERATION")
        self.refused(self.put_on_hold(NEVER, task.HOLD_REASON_NO_AGENT), "TASK_NOT_FOUND")
        self.tasks.PauseQueue(target=stubs.queue.QueueTarget(task_id=task_id))
        self.refused(self.put_on_hold(task_id, task.HOLD_REASON_NONE), "WRONG_STATE")
        self.tasks.ResumeQueue(target=stubs.queue.QueueTarget(task_id=task_id))
        generation = agent.take(task_id)
        self.refused(self.put_on_hold(task_id, task.HOLD_REASON_NO_AGENT, generation), "WRONG_STATE")

    def confirm(self, task_id, generation):
        return self.ledger.ConfirmGeneration(task_id=task_id, generation=generation)

    def test_only_the_owning_generation_is_confirmed(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        self.assertTrue(self.confirm(task_id, generation).current)
        answer = self.confirm(task_id, generation + 1)
        self.assertEqual((answer.current, answer.current_generation), (False, generation))
        agent.let_go(task_id, generation)
        self.assertFalse(self.confirm(task_id, generation).current)
        second = agent.take(task_id, generation)
        self.assertFalse(self.confirm(task_id, generation).current)
        self.assertTrue(self.confirm(task_id, second).current)
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]))
        self.assertFalse(self.confirm(task_id, second).current)
        self.fails("TASK_NOT_FOUND", self.ledger.ConfirmGeneration, task_id=NEVER, generation=1)
        self.fails("INVALID_FIELD", self.ledger.ConfirmGeneration, task_id=task_id)

    def ready(self, messages, task_id):
        return [entry for message in messages for entry in message.tasks if entry.task_id == task_id]

    def test_the_ready_feed_scans_and_then_tells_news(self):
        agent = self.agent()
        before = self.submit(capabilities=["gpu"], role="writer", lane=spec.LANE_HIGH)
        with self.ledger.WatchReady(shards=range(16)) as feed:
            feed.wait_for(lambda messages: any(message.scan_complete for message in messages), "the scan")
            [offer] = self.ready(feed.messages, before)
            self.assertEqual((offer.generation, offer.lane, offer.project, offer.role, list(offer.capabilities)),
                             (0, spec.LANE_HIGH, self.project, "writer", ["gpu"]))
            self.assertEqual((offer.shard, offer.kind, offer.retried), (shard_of(before), "command", False))
            after = self.submit()
            feed.wait_for(lambda messages: self.ready(messages, after), "a new task")
            agent.fail(after, agent.take(after))
            feed.wait_for(lambda messages: [entry for entry in self.ready(messages, after) if entry.retried],
                          "a task that is tried again")

    def test_a_feed_of_some_shards_tells_only_of_these(self):
        with self.ledger.WatchReady(shards=[3, 5]) as feed:
            feed.wait_for(lambda messages: any(message.scan_complete for message in messages), "the scan")
            made = [self.submit() for _ in range(64)]
            mine = [task_id for task_id in made if shard_of(task_id) in (3, 5)]
            for task_id in mine:
                feed.wait_for(lambda messages, task_id=task_id: self.ready(messages, task_id), "a task")
            self.assertEqual({entry.shard for message in feed.messages for entry in message.tasks} - {3, 5}, set())

    def test_agents_that_lost_a_task_are_named_to_be_avoided(self):
        agent, task_id = self.agent(), self.submit()
        agent.reject(task_id, agent.assign(task_id).generation)
        with self.ledger.WatchReady(shards=range(16)) as feed:
            feed.wait_for(lambda messages: self.ready(messages, task_id), "the task")
            self.assertEqual(list(self.ready(feed.messages, task_id)[0].avoid_agent_ids), [agent.name])

    def test_a_window_smaller_than_a_lane_says_so(self):
        for _ in range(40):
            self.submit(lane=spec.LANE_URGENT)
        with self.ledger.WatchReady(shards=range(16), window=10) as feed:
            feed.wait_for(lambda messages: any(message.scan_complete for message in messages), "the scan")
            urgent = [entry for message in feed.messages for entry in message.tasks if entry.lane == spec.LANE_URGENT]
            self.assertIn(spec.LANE_URGENT, feed.messages[-1].truncated_lanes)
            self.assertLessEqual(len(urgent), 10)
            # Best first: the oldest of a rank.
            self.assertEqual([entry.task_id for entry in urgent], sorted(entry.task_id for entry in urgent))

    def test_requests_of_the_ledger_are_checked(self):
        for call, fields, name in ((self.ledger.AssignTasks, {}, "assignments"),
                                   (self.ledger.ConcludeTasks, {}, "conclusions"),
                                   (self.ledger.HoldTasks, {}, "holds"),
                                   (self.ledger.RenewSessions, {}, "sessions"),
                                   (self.ledger.ListAssigned, {}, "agent_ids"),
                                   (self.ledger.AcquireShards, {"owner_id": ""}, "owner_id"),
                                   (self.ledger.AcquireShards, {"owner_id": "x", "want": 17}, "want"),
                                   (self.ledger.OpenSession, {"agent_id": "a"}, "hub_id")):
            self.assertEqual(self.fails("INVALID_FIELD", call, **fields).fields, [name])
        for fields, name in (({"shards": [16]}, "shards[0]"), ({"shards": [0], "window": 10_001}, "window"), ({}, "shards")):
            failure = self.ledger.WatchReady(**fields).start().wait_closed()
            self.assertEqual((failure.reason, failure.fields), ("INVALID_FIELD", [name]))


if __name__ == "__main__":
    unittest.main()
