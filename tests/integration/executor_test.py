"""yard-agent against the real hub, task queue and scheduler: joins, runs, survives."""

import http.server
import os
import stat
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from fleet import FleetTest  # noqa: E402
from waiting import wait_until  # noqa: E402


class ExecutorTest(FleetTest):
    options = {"hub": {"time": {"heartbeat": "1s"}}, "settings": {"time": {"shard_lease": "1s"}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls.fleet.agent("worker")
        cls.said = cls.agent.enroll()
        cls.agent.start()
        wait_until(lambda: cls.admin.GetAgent(agent="worker").agent.available, "the agent to be available")

    def test_enrolment_ends_with_a_probe_that_came_back(self):
        self.assertIn("enrolled as worker", self.said)
        self.assertIn("probe task: received, run and completed", self.said)
        token = os.path.join(self.agent.data, "token")
        self.assertEqual(stat.S_IMODE(os.stat(token).st_mode), 0o600)
        self.assertEqual(self.show("worker").probe_state, stubs.agent_admin.PROBE_STATE_PASSED)
        again = self.agent.run("enroll", self.fleet.enrollment("other"), "--no-start")
        self.assertEqual(again.returncode, 1)
        self.assertIn("runs", again.stderr)

    def test_a_command_runs_and_succeeds(self):
        task = self.await_state(self.submit("/usr/bin/echo", "hello from afar"), "SUCCEEDED")
        self.assertEqual(task.result.exit_code, 0)
        self.assertEqual(task.result.output, "hello from afar\n")
        self.assertEqual(task.agent_id or task.history[-1].agent_id, self.show("worker").agent_id)
        kinds = self.events(task.id)
        self.assertEqual([kind for kind in kinds if kind in ("SUBMITTED", "ASSIGNED", "ACCEPTED", "FINISHED")],
                         ["SUBMITTED", "ASSIGNED", "ACCEPTED", "FINISHED"])

    def test_output_reaches_the_log(self):
        task = self.await_state(self.submit("/usr/bin/echo", "a line for the log"), "SUCCEEDED")

        def read():
            with self.admin.ReadTaskLog(task_id=task.id) as stream:
                stream.wait_closed()
                return b"".join(chunk.data for message in stream.messages for chunk in message.chunks)
        wait_until(lambda: read() == b"a line for the log\n", "the log to be there")

    def serve(self):
        """The address of a server that knows no method."""
        handler = type("Silent", (http.server.BaseHTTPRequestHandler,), {"log_message": lambda *_: None})
        server = http.server.HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    def test_the_checks_of_a_task_are_made_where_it_ran(self):
        spec, checks = stubs.spec, stubs.checks
        steps = [spec.VerificationStep(name="runs", command_succeeds=spec.CommandSucceeds(argv=["echo", "checked"])),
                 spec.VerificationStep(name="out", optional=True, file_exists=spec.FileExists(path="out.txt")),
                 spec.VerificationStep(name="clean", optional=True, git_clean=spec.GitClean()),
                 spec.VerificationStep(name="secrets", no_secrets=spec.NoSecrets()),
                 spec.VerificationStep(name="served", http_ok=spec.HttpOk(url=self.serve(), expected_status=501)),
                 spec.VerificationStep(name="metadata", optional=True,
                                       http_ok=spec.HttpOk(url="http://169.254.169.254/latest/meta-data/"))]
        task_id = self.submit("/usr/bin/echo", "done", verification=steps)
        wait_until(lambda: self.get(task_id).result.checks, "the report of the checks")
        report = checks.CheckReport.FromString(self.get(task_id).result.checks)
        self.assertEqual([(step.name, step.check, checks.StepStatus.Name(step.status)) for step in report.steps],
                         [("runs", "command_succeeds", "STEP_STATUS_PASSED"),
                          ("out", "file_exists", "STEP_STATUS_FAILED"),
                          ("clean", "git_clean", "STEP_STATUS_ERROR"),
                          ("secrets", "no_secrets", "STEP_STATUS_PASSED"),
                          ("served", "http_ok", "STEP_STATUS_PASSED"),
                          ("metadata", "http_ok", "STEP_STATUS_FAILED")])
        self.assertIn("link-local", report.steps[5].evidence)
        self.assertIn("checked", report.steps[0].evidence)
        self.assertTrue(all(step.evidence for step in report.steps))
        self.cancel(task_id)

    def test_a_failing_command_fails_with_its_exit_code(self):
        task_id = self.submit("/usr/bin/false", retry_policy=stubs.spec.RetryPolicy(max_attempts=1))
        task = self.await_state(task_id, "DEAD_LETTER")
        self.assertEqual(task.failure.reason, "EXIT_STATUS")
        self.assertEqual(task.result.exit_code, 1)
        self.assertFalse(self.show("worker").breaker.failures_in_row)

    def test_what_no_rule_allows_is_refused_for_good(self):
        task_id = self.submit("/usr/bin/id")
        rejected = stubs.task.ATTEMPT_OUTCOME_REJECTED
        wait_until(lambda: any(attempt.outcome == rejected and attempt.failure.reason == "NOT_ALLOWED"
                               for attempt in self.get(task_id).history), "the refusal")
        task = self.get(task_id)
        self.assertEqual((task.generation, task.losses, task.attempts), (1, 0, 0))
        self.assertEqual(self.events(task_id)[-1], "RETURNED")
        self.cancel(task_id)
        self.await_state(task_id, "CANCELLED")

    def test_a_running_task_is_cancelled(self):
        task_id = self.submit("/usr/bin/sleep", "60")
        self.await_state(task_id, "RUNNING")
        began = time.monotonic()
        self.cancel(task_id)
        self.await_state(task_id, "CANCELLED")
        self.assertLess(time.monotonic() - began, 10)

    def test_more_tasks_than_slots_all_end(self):
        ids = [self.submit("/usr/bin/true") for _ in range(20)]
        for task_id in ids:
            self.await_state(task_id, "SUCCEEDED")

    def test_killed_in_mid_task_it_runs_again_after_the_restart(self):
        task_id = self.submit("/usr/bin/sleep", "3", on_lost=stubs.spec.ON_LOST_RETRY)
        self.await_state(task_id, "RUNNING")
        first = self.get(task_id).generation
        self.agent.kill()
        self.agent.start()
        began = time.monotonic()
        wait_until(lambda: self.get(task_id).generation > first, "the next generation", 10)
        self.assertLess(time.monotonic() - began, 5)
        task = self.await_state(task_id, "SUCCEEDED")
        self.assertEqual(self.events(task_id).count("FINISHED"), 1)
        self.assertGreater(task.generation, first)

    def test_what_ends_while_the_hub_is_away_is_delivered_once(self):
        task_id = self.submit("/usr/bin/sleep", "2")
        self.await_state(task_id, "RUNNING")
        generation = self.get(task_id).generation
        at = self.agent.position()
        self.fleet.all.kill()
        ended = self.agent.wait_for_line("task ended", at)
        self.assertEqual(ended["task"], task_id)
        self.fleet.all.start()
        task = self.await_state(task_id, "SUCCEEDED")
        self.assertEqual(task.generation, generation)
        self.assertEqual(self.events(task_id).count("FINISHED"), 1)

    def test_an_end_survives_the_executors_death_in_the_hubs_absence(self):
        task_id = self.submit("/usr/bin/sleep", "2")
        self.await_state(task_id, "RUNNING")
        generation = self.get(task_id).generation
        at = self.agent.position()
        self.fleet.all.kill()
        self.agent.wait_for_line("task ended", at)
        # What is said to have ended is on its way to the journal.
        wait_until(lambda: " 1 undelivered" in self.agent.run("doctor").stdout, "the journal to have it")
        self.agent.kill()
        self.fleet.all.start()
        self.agent.start()
        task = self.await_state(task_id, "SUCCEEDED")
        self.assertEqual(task.generation, generation)
        self.assertEqual(self.events(task_id).count("FINISHED"), 1)

    def test_stopping_it_finishes_what_runs_and_takes_nothing_new(self):
        task_id = self.submit("/usr/bin/sleep", "2")
        self.await_state(task_id, "RUNNING")
        self.assertEqual(self.agent.stop(), 0)
        self.assertEqual(self.state(task_id), "SUCCEEDED")
        self.agent.start()

    def test_its_health_is_told(self):
        self.assertEqual(self.agent.run("run", "--healthcheck").returncode, 0)
        wait_until(lambda: self.agent.run("run", "--healthcheck=ready").returncode == 0, "readiness")
        doctor = self.agent.run("doctor")
        self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)
        self.assertIn("the hub knows it as worker", doctor.stdout)


class JoiningTest(FleetTest):
    def test_a_revoked_token_stops_it_and_says_so(self):
        agent = self.fleet.agent("revoked")
        agent.enroll()
        agent.start()
        self.admin.RevokeAgentToken(agent="revoked", reason="a test")
        agent.process.wait(60)
        self.assertEqual(agent.process.returncode, 78)
        agent.process = None
        self.assertIn("yard-agent enroll", agent.tail())
        # Others may believe in the token for the second that answers about tokens are kept.
        wait_until(lambda: "the hub refuses it" in agent.run("doctor").stdout, "the doctor to know", every=0.5)
        # The same name, and it works again.
        agent.enroll()
        agent.start()

    def test_an_enrolment_works_once(self):
        text = self.fleet.enrollment("once")
        self.fleet.agent("once").enroll(text)
        second = self.fleet.agent("once-more").run("enroll", text, "--no-start")
        self.assertEqual(second.returncode, 1)
        self.assertIn("make a new one", second.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_root_enrols_as_the_service_user(self):
        agent = self.fleet.agent("service-user")
        for path in (agent.data, os.path.join(agent.data, "allowlist.yaml")):
            os.chown(path, 65534, 65534)
        agent.enroll()
        for name in ("token", "hub.json", "journal.db"):
            self.assertEqual(os.stat(os.path.join(agent.data, name)).st_uid, 65534)

    def test_what_is_no_enrolment_is_refused_with_advice(self):
        done = self.fleet.agent("lost").run("enroll", "sye1_nonsense", "--no-start")
        self.assertEqual(done.returncode, 2)
        self.assertIn("yard agent enroll", done.stderr)

    def test_without_an_enrolment_it_says_how(self):
        agent = self.fleet.agent("stranger")
        done = agent.run("run")
        self.assertEqual(done.returncode, 78)
        self.assertIn("yard-agent enroll", done.stderr)
        self.assertEqual(agent.run("run", "--healthcheck").returncode, 1)
        doctor = agent.run("doctor")
        self.assertEqual(doctor.returncode, 1)
        self.assertIn("not enrolled", doctor.stdout)

    def test_a_full_disk_refuses_new_work_and_says_why(self):
        agent = self.fleet.agent("full", {"journal": {"min_free": "100000TB"}})
        agent.enroll()
        agent.start()
        self.assertEqual(agent.run("run", "--healthcheck=ready").returncode, 1)
        wait_until(lambda: "disk full" in self.show("full").unavailable_reason.lower() + str(self.show("full")).lower(),
                   "the hub to know")


if __name__ == "__main__":
    unittest.main(verbosity=2)
