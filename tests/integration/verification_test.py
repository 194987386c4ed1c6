"""Verification over a real task queue and database: liars, judges, and what survives being killed."""

import os
import random
import sys
import time
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import stubs  # noqa: E402
from agents import Agent, Scheduler  # noqa: E402
from client import CallError, Connection, retried  # noqa: E402
from stack import PATIENT, Process, Stack, StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

checks, spec, verification = stubs.checks, stubs.spec, stubs.verification
PASSED, FAILED = checks.STEP_STATUS_PASSED, checks.STEP_STATUS_FAILED
TESTS = spec.VerificationStep(name="tests", test_passes=spec.TestPasses(argv=["make", "test"]))
FILE = spec.VerificationStep(name="file", file_exists=spec.FileExists(path="out.txt"))
LINT = spec.VerificationStep(name="lint", optional=True, command_succeeds=spec.CommandSucceeds(argv=["lint"]))
STEPS = (TESTS, FILE, LINT)
HURRY = {"sweep": "300ms"}
GOOD = '{"passed": true, "issues": [{"severity": "low", "where": "a.c:1", "description": "sound"}], "confidence": 0.9}'
BAD = '{"passed": false, "issues": [{"severity": "high", "where": "a.c:9", "description": "test removed"}], "confidence": 0.9}'


def honest(steps=STEPS):
    """What an honest executor reports when all passed."""
    report = checks.CheckReport(schema_version=1)
    for number, step in enumerate(steps):
        one = report.steps.add(step=number, name=step.name, check=step.WhichOneof("check"), status=PASSED,
                               evidence=f"looked at step {number}")
        if one.check in ("test_passes", "command_succeeds"):
            one.exit_code = 0
    return report


class VerificationTest(StackTest):
    options = {"durable": True}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.add_verification(HURRY)
        cls.admin = cls.stack.connect_verification()

    # What tests do.
    def work(self, steps=STEPS, **fields):
        fields = {"retry_policy": spec.RetryPolicy(max_attempts=1), **fields}
        return self.submit("true", verification=steps, **fields)

    def prompt(self, **fields):
        return self.tasks.SubmitTask(spec=spec.TaskSpec(
            prompt=spec.Prompt(instruction="Mend the parser."), project=self.project, verification=STEPS,
            retry_policy=spec.RetryPolicy(max_attempts=1), **fields)).task_id

    def finish(self, task, report, model="", agent=None):
        agent = agent or self.agent()
        result = {"checks": report if isinstance(report, bytes) else report.SerializeToString()}
        if model:
            result["usage"] = stubs.task.Usage(model=model, cost_micros=3)
        agent.expect(agent.finish(task, agent.take(task), **result))
        return task

    def verified(self, task, state="CONCLUDED"):
        wanted = verification.VerificationState.Value(f"VERIFICATION_STATE_{state}")

        def there():
            try:
                found = self.admin.GetVerification(task_id=task).verification
            except CallError as error:
                if error.reason != "VERIFICATION_NOT_FOUND":
                    raise
                return None
            return found if found.state == wanted else None
        return wait_until(there, f"{task} to be {state}", 20)

    def judged(self, task):
        """The task of its judge."""
        return wait_until(lambda: self.verified(task, "JUDGING").judgement.task_id, f"a judge of {task}", 20)

    def answer(self, judge, text, model="gpt-5"):
        agent = self.agent()
        agent.expect(agent.finish(judge, agent.take(judge), output=text, usage=stubs.task.Usage(model=model)))
        self.assertEqual(self.state(judge), "SUCCEEDED", "a judge never waits for a judge")

    def set_policy(self, **fields):
        policy = verification.Policy(project=self.project, **fields)
        self.addCleanup(self.admin.RemovePolicy, project=self.project)
        return self.admin.SetPolicy(policy=policy).policy

    def batches(self):
        """How many there were, and the seconds that they took."""
        series = self.stack.verifications[0].metrics()
        return [series[f"switchyard_verification_batch_seconds_{what}"] for what in ("count", "sum")]

    def judge_state(self, found):
        return verification.JudgeState.Name(found.judgement.state)[len("JUDGE_STATE_"):]

    # The checks.
    def test_work_whose_checks_passed_succeeds(self):
        task = self.finish(self.work(), honest())
        ended = self.await_state(task, "SUCCEEDED")
        self.assertEqual((ended.attempts, len(ended.history)), (1, 1))
        found = self.verified(task)
        self.assertEqual((found.reason, found.steps_passed, found.policy), ("CHECKS_PASSED", 3, "built-in"))
        self.assertEqual(found.report.steps[0].evidence, "looked at step 0")
        self.assertEqual([one.task_id for one in self.admin.ListVerifications(project=self.project).verifications], [task])

    def test_a_verdict_takes_no_time_to_speak_of(self):
        agent, took, before = self.agent(), [], self.batches()
        for _ in range(20):
            task = self.work()
            generation = agent.take(task)
            begun = time.monotonic()
            agent.expect(agent.finish(task, generation, checks=honest().SerializeToString()))
            wait_until(lambda task=task: self.state(task) == "SUCCEEDED", f"{task} to succeed", every=0.001)
            took.append(time.monotonic() - begun)
        count, seconds = (after - begun for after, begun in zip(self.batches(), before))
        print(f"from evidence to verdict: {sorted(took)[len(took) // 2] * 1e3:.1f} ms at the median, as seen by a client; "
              f"{seconds / count * 1e3:.1f} ms of it here")

    def test_liars_are_caught_each_by_its_lie(self):
        def lie(change):
            report = honest()
            change(report)
            return report

        def swap(report):
            first = checks.StepReport()
            first.CopyFrom(report.steps[0])
            report.steps[0].CopyFrom(report.steps[1])
            report.steps[1].CopyFrom(first)
        lies = {
            "REPORT_MISSING": [b""],
            "REPORT_UNREADABLE": [b"all passed, believe me", lie(lambda r: setattr(r, "schema_version", 9))],
            "REPORT_INCOMPLETE": [lie(lambda r: r.steps.pop()), lie(lambda r: r.ClearField("steps"))],
            "REPORT_FOREIGN_STEP": [lie(lambda r: setattr(r.steps[0], "check", "git_clean")),
                                    lie(lambda r: setattr(r.steps[1], "name", "other")),
                                    lie(lambda r: r.steps.add(step=3, name="extra", check="git_clean"))],
            "REPORT_OUT_OF_ORDER": [lie(swap)],
            "EVIDENCE_MISSING": [lie(lambda r: setattr(r.steps[1], "evidence", " \n"))],
            "EXIT_CODE_CONTRADICTS": [lie(lambda r: setattr(r.steps[0], "exit_code", 2)),
                                      lie(lambda r: r.steps[0].ClearField("exit_code"))],
            "REPORT_IMPLAUSIBLE": [lie(lambda r: setattr(r.steps[0].duration, "seconds", -5))],
            "STATUS_UNKNOWN": [lie(lambda r: r.steps[0].ClearField("status"))],
            "CHECK_FAILED": [lie(lambda r: setattr(r.steps[0], "status", FAILED))],
            "CHECK_SKIPPED": [lie(lambda r: setattr(r.steps[1], "status", checks.STEP_STATUS_SKIPPED))],
            "CHECK_ERROR": [lie(lambda r: setattr(r.steps[1], "status", checks.STEP_STATUS_ERROR))],
        }
        agent = self.agent()
        told = [(reason, self.finish(self.work(), report, agent=agent))
                for reason, reports in lies.items() for report in reports]
        for reason, task in told:
            with self.subTest(reason):
                ended = self.await_state(task, "DEAD_LETTER")
                self.assertEqual(ended.failure.reason, reason, ended.failure)
                self.assertEqual(ended.history[0].outcome, stubs.task.ATTEMPT_OUTCOME_VERIFICATION_FAILED)

    def test_an_optional_step_never_fails_the_work(self):
        report = honest()
        report.steps[2].status = FAILED
        task = self.finish(self.work(), report)
        ended = self.await_state(task, "PARTIAL")
        self.assertEqual(ended.failure.reason, "OPTIONAL_FAILED")

    def test_a_policy_can_want_more_than_the_task_asks_for(self):
        self.set_policy(required_checks=["no_secrets"])
        ended = self.await_state(self.finish(self.work(retry_policy=spec.RetryPolicy(max_attempts=5)), honest()), "DEAD_LETTER")
        self.assertEqual((ended.failure.reason, ended.attempts), ("REQUIRED_STEP_MISSING", 1))

    # Judges.
    def test_a_judge_can_hold_back_what_the_checks_passed(self):
        version = self.set_policy(judge=verification.JUDGE_RULE_ALWAYS).version
        task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
        judge = self.judged(task)
        asked = self.get(judge)
        self.assertEqual(list(asked.spec.excluded_model_families), ["qwen"])
        self.assertEqual((asked.spec.role, asked.spec.project), ("judge", self.project))
        self.assertIn("Mend the parser.", asked.spec.description)
        self.assertNotIn("Mend the parser.", asked.spec.prompt.instruction)
        self.answer(judge, BAD)
        ended = self.await_state(task, "DEAD_LETTER")
        self.assertEqual(ended.failure.reason, "JUDGE_REJECTED")
        self.assertIn("test removed", ended.failure.message)
        found = self.verified(task)
        self.assertEqual((self.judge_state(found), found.judgement.family, found.judgement.author_family),
                         ("REJECTED", "gpt", "qwen"))
        self.assertEqual(found.policy_version, version)

    def test_a_judge_that_found_nothing_lets_the_work_pass(self):
        self.set_policy(judge=verification.JUDGE_RULE_ALWAYS, judge_required=True)
        task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
        self.answer(self.judged(task), f"```json\n{GOOD}\n```")
        self.await_state(task, "SUCCEEDED")
        self.assertEqual(self.verified(task).reason, "CHECKS_PASSED")

    def test_what_is_no_verdict_does_not_pretend_to_be_one(self):
        self.set_policy(judge=verification.JUDGE_RULE_ALWAYS)
        answers = {
            "flatters": ('{"passed": true, "issues": [], "confidence": 1.0}', "gpt-5", "INCONCLUSIVE"),
            "rejects everything": ('{"passed": false, "issues": [], "confidence": 1.0}', "gpt-5", "INCONCLUSIVE"),
            "garbage": ("I think this is fine!", "gpt-5", "INCONCLUSIVE"),
            "empty": ("", "gpt-5", "INCONCLUSIVE"),
            "unsure": (BAD.replace("0.9", "0.3"), "gpt-5", "INCONCLUSIVE"),
            "the author's family": (BAD, "qwen3:32b", "UNJUDGED"),
            "of no known family": (BAD, "house-model", "UNJUDGED"),
        }
        for name, (text, model, state) in answers.items():
            with self.subTest(name):
                task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
                self.answer(self.judged(task), text, model)
                self.await_state(task, "SUCCEEDED")
                found = self.verified(task)
                self.assertEqual(self.judge_state(found), state)
                self.assertIn(found.reason, ("JUDGE_INCONCLUSIVE", "UNJUDGED"))
        figures = self.admin.GetCalibration(project=self.project)
        self.assertEqual(figures.same_family_attempts, 1)

    def test_nobody_to_judge_is_said(self):
        self.set_policy(judge=verification.JUDGE_RULE_ALWAYS, judge_required=True,
                        judge_timeout={"seconds": 1})
        task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
        ended = self.await_state(task, "DEAD_LETTER")
        self.assertEqual(ended.failure.reason, "UNJUDGED")
        judge = self.verified(task).judgement.task_id
        wait_until(lambda: self.state(judge) in ("CANCELLED", "EXPIRED"), "the judge to be let go", 15)

    def test_failed_work_is_not_judged(self):
        self.set_policy(judge=verification.JUDGE_RULE_ALWAYS)
        report = honest()
        report.steps[0].status = FAILED
        task = self.finish(self.prompt(), report, "qwen2.5-coder:7b")
        self.await_state(task, "DEAD_LETTER")
        self.assertEqual(self.judge_state(self.verified(task)), "NOT_ASKED")

    def test_a_cancelled_task_takes_no_verdict(self):
        self.set_policy(judge=verification.JUDGE_RULE_ALWAYS)
        task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
        judge = self.judged(task)
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task]), reason="no need")
        self.await_state(task, "CANCELLED")
        self.verified(task, "SUPERSEDED")
        wait_until(lambda: self.state(judge) == "CANCELLED", "its judge to be let go", 15)
        self.assertEqual(self.state(task), "CANCELLED")

    # What people say of it.
    def test_outcomes_are_kept_and_counted(self):
        task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
        self.verified(task)
        submit = self.stack.connect_verification("submit")
        for _ in range(2):
            marked = submit.RecordOutcome(task_id=task, kind=verification.OUTCOME_KIND_REVERTED, note="broke the build")
        self.assertEqual(len(marked.verification.outcomes), 1)
        author = self.admin.GetCalibration(project=self.project).authors[0]
        self.assertEqual((author.model, author.passed, author.with_outcome, author.agreed, author.cost_micros),
                         ("qwen2.5-coder:7b", 1, 1, 0, 3))

    # What is killed.
    def concluded_once(self, tasks, state="SUCCEEDED"):
        for task in tasks:
            ended = self.await_state(task, state, 30)
            self.assertEqual((ended.attempts, len(ended.history)), (1, 1), ended)
            kinds = [kind for kind, _ in self.events(task)]
            self.assertEqual(kinds.count("FINISHED"), 1, kinds)
            self.assertEqual(self.verified(task).verdict, stubs.ledger.VERDICT_SUCCEEDED)

    def test_killed_at_any_moment_it_concludes_each_task_once(self):
        seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
        print(f"seed {seed}")
        chance, agent, tasks = random.Random(seed), self.agent(), []
        first = self.stack.verifications[0]
        first.stop()
        # Slow at the database, so that it dies between the steps too.
        slow = {"SWITCHYARD_FAILPOINTS": "execute_delay=0.4:15ms,commit_answer_lost=0.05"}
        victim = self.stack.add_verification(HURRY, slow)
        try:
            for _ in range(12):
                tasks += [self.finish(self.work(), honest(), agent=agent) for _ in range(4)]
                time.sleep(chance.random() * 0.15)
                victim.kill()
                victim.start(ready=False)
        finally:
            self.stack.verifications.remove(victim)
            victim.stop()
            first.start()
        self.concluded_once(tasks)

    def test_two_replicas_conclude_each_task_once(self):
        second = self.stack.add_verification(HURRY)
        try:
            self.set_policy(judge=verification.JUDGE_RULE_ALWAYS)
            agent = self.agent()
            tasks = [self.finish(self.work(), honest(), agent=agent) for _ in range(30)]
            prompts = [self.finish(self.prompt(), honest(), "qwen2.5-coder:7b", agent) for _ in range(3)]
            for task in prompts:
                self.answer(self.judged(task), GOOD)
            self.concluded_once(tasks + prompts)
            judges = self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project], task_types=["judge"]))
            self.assertEqual(len(judges.tasks), 3, "one judge each")
        finally:
            self.stack.verifications.remove(second)
            second.stop()

    def test_survives_the_database_and_the_task_queue(self):
        agent, tasks = self.agent(), []
        for away in ("database", "task queue"):
            tasks += [self.finish(self.work(), honest(), agent=agent) for _ in range(10)]
            if away == "database":
                self.stack.postgres.stop_immediately()
                time.sleep(0.5)
                self.stack.postgres.start()
            else:
                self.stack.queues[0].kill()
                time.sleep(0.5)
                self.stack.queues[0].start()
            wait_until(lambda: retried(lambda: self.state(tasks[-1])) == "SUCCEEDED", f"life after the {away}", 30)
        self.concluded_once(tasks)

    def test_without_the_right_to_submit_work_ends_unjudged(self):
        first = self.stack.verifications[0]
        first.stop()
        token = first.config["auth"]["token"]
        first.config["auth"]["token"] = token.replace("verification.token", "service.token")
        first.start()
        try:
            self.set_policy(judge=verification.JUDGE_RULE_ALWAYS)
            task = self.finish(self.prompt(), honest(), "qwen2.5-coder:7b")
            self.await_state(task, "SUCCEEDED")
            found = self.verified(task)
            self.assertEqual(found.reason, "UNJUDGED")
            self.assertIn("SCOPE_MISSING", found.judgement.message)
        finally:
            first.stop()
            first.config["auth"]["token"] = token
            first.start()

    def test_the_doctor_finds_nothing(self):
        self.verified(self.finish(self.work(), honest()))
        done = self.stack.run("doctor")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class AllInOneTest(unittest.TestCase):
    """The same within one process, which calls itself."""

    def test_verifies_and_asks_judges(self):
        with Stack(start=False) as stack:
            process = Process(stack, "switchyard", "switchyard", {
                "server": stack.server_section({}), "database": stack.database(),
                # The agents of this test are no executors: nobody else is to take what they are to do.
                "services": ["identity", "task_queue", "verification"],
                "task_queue": PATIENT, "verification": HURRY}, arguments=["run"])
            try:
                process.start()
                self.verify(stack, process)
            finally:
                self.assertEqual(process.stop(), 0, process.tail())

    def verify(self, stack, process):
        admin = stack._connected(Connection(process.address, stack.tokens["admin"]))
        ledger = stack._connected(Connection(process.address, stack.tokens["service"])).ledger
        admin.verification.SetPolicy(policy=verification.Policy(judge=verification.JUDGE_RULE_ALWAYS, judge_required=True))
        agent = Agent(ledger, Scheduler(ledger).acquire())
        agent.open()
        task = admin.tasks.SubmitTask(spec=spec.TaskSpec(
            prompt=spec.Prompt(instruction="Mend the parser."), verification=STEPS)).task_id
        agent.expect(agent.finish(task, agent.take(task), checks=honest().SerializeToString(),
                                  usage=stubs.task.Usage(model="qwen2.5-coder:7b")))

        def judge():
            found = admin.verification.ListVerifications(task_id=task).verifications
            return found and found[0].judgement.task_id
        asked = wait_until(judge, "a judge", 20)
        other = Agent(ledger, agent.scheduler)
        other.open()
        other.expect(other.finish(asked, other.take(asked), output=GOOD, usage=stubs.task.Usage(model="gpt-5")))
        wait_until(lambda: admin.tasks.GetTask(task_id=task).task.state == stubs.task.TASK_STATE_SUCCEEDED, "success", 20)


if __name__ == "__main__":
    unittest.main()
