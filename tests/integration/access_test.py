"""Who may call what: tokens, scopes, deadlines, revocation."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import subprocess  # noqa: E402
import time  # noqa: E402

import stubs  # noqa: E402
from agents import command  # noqa: E402
from client import CallError, Connection  # noqa: E402
from stack import BIN, StackTest, clean_environment  # noqa: E402
from waiting import wait_until  # noqa: E402

Scope = stubs.options.Scope
GRANTS = {
    "admin": {"SCOPE_ADMIN", "SCOPE_SUBMIT", "SCOPE_READ"},
    "submit": {"SCOPE_SUBMIT", "SCOPE_READ"},
    "read": {"SCOPE_READ"},
    "service": {"SCOPE_SERVICE"},
    "agent": {"SCOPE_AGENT"},
}
CACHE = 1.0


class AccessTest(StackTest):
    options = {"auth": {"cache_ttl": "1s"}, "identity": {"cache_ttl": "0s"}}

    def services(self):
        queue, identity = self.stack.connect(), self.stack.connect_identity()
        return [(queue.tasks, stubs.queue, "TaskQueueService"), (queue.ledger, stubs.ledger, "TaskLedgerService"),
                (identity.identity, stubs.identity, "IdentityService")]

    def methods(self):
        for service, module, name in self.services():
            for method in module.DESCRIPTOR.services_by_name[name].methods:
                yield service, method, Scope.Name(method.GetOptions().Extensions[stubs.options.required_scope])

    def failure(self, service, method, **options):
        """What an empty request fails with; None when it does not."""
        try:
            answer = getattr(service, method.name)(**options)
            if method.name.startswith("Watch"):
                answer.start()
                try:
                    # Whether it lives is known once it says something, or is silent for long enough.
                    if not answer.closed.wait(0.3):
                        return None
                    return answer.error
                finally:
                    answer.cancel()
        except CallError as failure:
            return failure
        return None

    def test_every_method_asks_for_its_scope(self):
        for service, method, scope in self.methods():
            self.assertNotIn(scope, ("SCOPE_UNSPECIFIED", "SCOPE_NONE"), method.full_name)
            for who, granted in GRANTS.items():
                with self.subTest(method=method.name, token=who):
                    failure = self.failure(service.with_token(self.stack.tokens[who]), method)
                    if scope in granted:
                        self.assertTrue(failure is None or failure.reason not in
                                        ("SCOPE_MISSING", "TOKEN_INVALID", "TOKEN_MISSING"), failure)
                    else:
                        self.assertEqual((failure.reason, failure.code.name), ("SCOPE_MISSING", "PERMISSION_DENIED"))
                        self.assertEqual(failure.metadata["required_scope"], scope)

    def test_every_method_refuses_a_missing_and_a_bad_token(self):
        for service, method, _ in self.methods():
            for token, reason in ((None, "TOKEN_MISSING"), ("sy_" + "A" * 43, "TOKEN_INVALID"),
                                  ("nonsense", "TOKEN_INVALID")):
                with self.subTest(method=method.name, token=token):
                    failure = self.failure(service.with_token(token), method)
                    self.assertEqual((failure.reason, failure.code.name), (reason, "UNAUTHENTICATED"))

    def test_every_unary_method_asks_for_a_deadline(self):
        for service, method, _ in self.methods():
            if not method.name.startswith("Watch"):
                with self.subTest(method=method.name):
                    failure = self.failure(service, method, timeout=None)
                    self.assertEqual((failure.reason, failure.code.name), ("DEADLINE_REQUIRED", "INVALID_ARGUMENT"))

    def test_health_asks_for_no_token(self):
        with Connection(self.stack.queues[0].address) as anonymous:
            self.assertTrue(anonymous.serving(""))
            self.assertTrue(anonymous.serving("switchyard.ready"))

    def test_malformed_authorization_is_refused(self):
        service = self.stack.connect().tasks.with_token(None)
        good = self.stack.tokens["admin"]
        for value in ("Bearer", "Bearer ", f"Basic {good}", good, f"Bearer {good} {good}", "Bearer " + "x" * 5000):
            with self.subTest(value=value[:20]):
                self.fails("TOKEN_INVALID", service.GetQueueStats, metadata=[("authorization", value)])
        self.fails("TOKEN_INVALID", service.GetQueueStats,
                   metadata=[("authorization", f"Bearer {good}"), ("authorization", f"Bearer {good}")])
        service.GetQueueStats(metadata=[("authorization", f"bEARER {good}")])

    def issue(self, **fields):
        admin = self.stack.connect_identity().identity
        return admin, admin.IssueToken(**{"name": "short", "scopes": [Scope.Value("SCOPE_SUBMIT")], **fields})

    def test_a_revoked_token_is_refused_within_the_time_of_the_cache(self):
        admin, issued = self.issue()
        user = self.stack.connect().tasks.with_token(issued.text)
        user.SubmitTask(spec=command())
        admin.RevokeToken(token_id=issued.token.token_id, reason="lost")
        revoked = time.monotonic()

        def refused():
            try:
                user.GetQueueStats()
            except CallError as failure:
                self.assertEqual(failure.reason, "TOKEN_INVALID")
                return True
            return False
        wait_until(refused, "the token to be refused", timeout=CACHE + 5)
        self.assertLess(time.monotonic() - revoked, CACHE + 2)
        time.sleep(0.2)
        self.fails("TOKEN_INVALID", user.GetQueueStats, code="UNAUTHENTICATED")

    def test_nothing_that_a_process_writes_has_a_token_in_it(self):
        admin, issued = self.issue()
        rotated = admin.RotateToken(token_id=issued.token.token_id)
        secrets = [*self.stack.tokens.values(), issued.text, rotated.text]
        self.assertTrue(all(len(secret) > 40 for secret in secrets))
        # Calls that go well and calls that do not, with tokens where they belong and where they do not.
        user = self.stack.connect().tasks.with_token(rotated.text)
        user.SubmitTask(spec=command("echo", rotated.text), request_id=self.project)
        for reason in ("REQUEST_ID_REUSED", "INVALID_FIELD"):
            spec = command("other") if reason == "REQUEST_ID_REUSED" else stubs.spec.TaskSpec(title=f"a\n{rotated.text}")
            self.fails(reason, user.SubmitTask, spec=spec, request_id=self.project)
        self.fails("SCOPE_MISSING", user.with_token(self.stack.tokens["agent"]).GetQueueStats)
        self.fails("TOKEN_INVALID", user.with_token(rotated.text + "x").GetQueueStats)
        self.stack.connect().tasks.PauseQueue(target=stubs.queue.QueueTarget(project=self.project), reason=issued.text)
        admin.RevokeToken(token_id=rotated.token.token_id, reason="done with it")
        secrets.append(rotated.text + "x")
        written = {}
        for process in self.stack.processes():
            with open(process.log, encoding="utf-8") as log:
                written[process.name] = log.read()
            path = os.path.join(self.stack.folder, f"{process.name}.yaml")
            printed = subprocess.run([os.path.join(BIN, process.binary), f"--config={path}", "--print-config"],
                                     capture_output=True, text=True, check=True, timeout=30, env=clean_environment())
            written[f"{process.name} --print-config"] = printed.stdout + printed.stderr
        for name, text in written.items():
            self.assertGreater(len(text), 100, name)
            for secret in secrets:
                self.assertNotIn(secret, text, name)
                self.assertNotIn(secret[3:], text, name)

    def test_a_rotated_token_keeps_its_principal_and_so_its_request_ids(self):
        admin, issued = self.issue()
        first = self.stack.connect().tasks.with_token(issued.text).SubmitTask(request_id=self.project, spec=command())
        rotated = admin.RotateToken(token_id=issued.token.token_id)
        again = self.stack.connect().tasks.with_token(rotated.text).SubmitTask(request_id=self.project, spec=command())
        self.assertTrue(again.replayed)
        self.assertEqual(again.task_id, first.task_id)

    def test_calls_go_on_for_the_time_of_the_cache_while_identity_is_away_and_come_back_with_it(self):
        user = self.stack.connect().tasks
        user.GetQueueStats()
        self.stack.identity.kill()
        try:
            def away():
                try:
                    user.GetQueueStats()
                except CallError as failure:
                    self.assertEqual(failure.code.name, "UNAVAILABLE", failure)
                    return True
                return False
            wait_until(away, "calls to be refused", timeout=CACHE + 10)
        finally:
            self.stack.identity.start()

        def back():
            try:
                user.GetQueueStats()
            except CallError:
                return False
            return True
        wait_until(back, "calls to be answered again", timeout=15)


if __name__ == "__main__":
    unittest.main()
