"""The identity service: issuing, verifying, revoking, rotating and listing tokens."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import re  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402

import stubs  # noqa: E402
from client import Connection, in_threads  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

SUBMIT, READ, ADMIN, SERVICE, AGENT = (stubs.options.Scope.Value(f"SCOPE_{name}")
                                       for name in ("SUBMIT", "READ", "ADMIN", "SERVICE", "AGENT"))
NEVER = "01900000-0000-7000-8000-000000000000"
DAY = 86400


class IdentityTest(StackTest):
    options = {"replicas": 0, "identity": {"cache_ttl": "0s", "last_used_interval": "1s"}}

    @classmethod
    def setUpClass(cls):
        from stack import Stack
        cls.stack = Stack(**cls.options)
        cls.admin = cls.stack.connect_identity("admin").identity
        cls.service = cls.stack.connect_identity("service").identity

    def setUp(self):
        self.name = f"t{uuid.uuid4().hex[:10]}"

    def issue(self, **fields):
        return self.admin.IssueToken(**{"name": self.name, "scopes": [SUBMIT], **fields})

    def test_a_token_is_issued_verified_and_never_shown_again(self):
        before = time.time()
        answer = self.issue()
        self.assertTrue(re.fullmatch(r"sy_[0-9A-Za-z]{43}", answer.text))
        token = self.service.VerifyToken(text=answer.text).token
        self.assertEqual((token.token_id, token.name, list(token.scopes)), (answer.token.token_id, self.name, [SUBMIT]))
        self.assertEqual(token.created_by, "admin")
        self.assertTrue(uuid.UUID(token.principal_id))
        self.assertAlmostEqual(token.expire_time.seconds - before, 90 * DAY, delta=60)
        stored = self.stack.postgres.sql("SELECT t::text FROM identity.token t")
        self.assertFalse(any(answer.text in row[0] or answer.text[3:] in row[0] for row in stored))

    def test_what_is_not_good_is_unknown_without_saying_why(self):
        expired, revoked = self.issue(lifetime={"seconds": 60}), self.issue()
        self.admin.RevokeToken(token_id=revoked.token.token_id)
        self.stack.postgres.sql("UPDATE identity.token SET expire_time = now() - interval '1 second' "
                                f"WHERE token_id = '{expired.token.token_id}'")
        for text in ("sy_" + "A" * 43, "nonsense", "", expired.text, revoked.text, "x" * 5000):
            failure = self.fails("TOKEN_UNKNOWN", self.service.VerifyToken, text=text, code="NOT_FOUND")
            self.assertEqual((failure.metadata, failure.violations), ({}, []))

    def test_a_request_id_is_answered_once_with_text(self):
        first = self.issue(request_id=self.name)
        again = self.issue(request_id=self.name)
        self.assertTrue(again.replayed)
        self.assertEqual((again.token.token_id, again.text), (first.token.token_id, ""))
        self.fails("REQUEST_ID_REUSED", self.issue, request_id=self.name, scopes=[READ], code="ALREADY_EXISTS")

    def test_one_request_id_at_once_from_many_makes_one_token(self):
        answers = in_threads(12, lambda _: self.issue(request_id=self.name))
        self.assertEqual(len({answer.token.token_id for answer in answers}), 1)
        self.assertEqual(sum(not answer.replayed for answer in answers), 1)
        self.assertEqual(sum(bool(answer.text) for answer in answers), 1)

    def test_all_faults_of_a_request_are_named(self):
        failure = self.fails("INVALID_FIELD", self.admin.IssueToken, name="Not A Name", scopes=[AGENT, READ],
                             lifetime={"seconds": 10}, request_id="x" * 129, code="INVALID_ARGUMENT")
        self.assertEqual(set(failure.fields), {"name", "lifetime", "request_id", "scopes"})
        failure = self.fails("INVALID_FIELD", self.issue, scopes=[READ, 99, 6, 0])
        self.assertEqual(failure.fields, ["scopes[1]", "scopes[2]", "scopes[3]"])
        for fields in ({"name": ""}, {"name": "x" * 65}, {"scopes": []}, {"scopes": [AGENT, READ]},
                       {"lifetime": {"seconds": 366 * DAY}}):
            with self.subTest(fields=fields):
                failure = self.fails("INVALID_FIELD", self.issue, **fields)
                self.assertTrue(failure.fields[0].startswith(next(iter(fields))), failure)

    def test_revoking_twice_keeps_the_first_time_and_reason(self):
        token_id = self.issue().token.token_id
        first = self.admin.RevokeToken(token_id=token_id, reason="lost").token
        again = self.admin.RevokeToken(token_id=token_id, reason="other").token
        self.assertEqual((again.revoke_time, again.revoke_reason), (first.revoke_time, "lost"))
        self.assertTrue(first.revoke_time.seconds)
        self.fails("TOKEN_NOT_FOUND", self.admin.RevokeToken, token_id=NEVER, code="NOT_FOUND")
        self.assertEqual(self.fails("INVALID_FIELD", self.admin.RevokeToken, token_id="x").fields, ["token_id"])
        self.assertEqual(self.fails("INVALID_FIELD", self.admin.RevokeToken, token_id=token_id,
                                    reason="x" * 257).fields, ["reason"])

    def test_a_rotated_token_keeps_its_name_scopes_and_principal(self):
        old = self.issue(lifetime={"seconds": 3 * DAY})
        answer = self.admin.RotateToken(token_id=old.token.token_id, grace={"seconds": 300})
        new = self.service.VerifyToken(text=answer.text).token
        self.assertNotEqual(new.token_id, old.token.token_id)
        self.assertEqual((new.name, list(new.scopes), new.principal_id),
                         (self.name, [SUBMIT], old.token.principal_id))
        self.assertAlmostEqual(new.expire_time.seconds - time.time(), 3 * DAY, delta=60)
        self.assertAlmostEqual(answer.rotated.expire_time.seconds - time.time(), 300, delta=30)
        self.service.VerifyToken(text=old.text)

    def test_rotating_without_grace_ends_the_old_one_at_once(self):
        old = self.issue()
        self.admin.RotateToken(token_id=old.token.token_id, grace={})
        wait_until(lambda: self.verify_fails(old.text), "the old token to end", timeout=5)
        self.fails("TOKEN_NOT_LIVE", self.admin.RotateToken, token_id=old.token.token_id, code="FAILED_PRECONDITION")
        self.fails("TOKEN_NOT_FOUND", self.admin.RotateToken, token_id=NEVER, code="NOT_FOUND")
        self.assertEqual(self.fails("INVALID_FIELD", self.admin.RotateToken, token_id=old.token.token_id,
                                    grace={"seconds": 8 * DAY}).fields, ["grace"])

    def verify_fails(self, text):
        from client import CallError
        try:
            self.service.VerifyToken(text=text)
        except CallError as failure:
            return failure.reason == "TOKEN_UNKNOWN"
        return False

    def test_rotating_is_answered_once_by_its_request_id(self):
        old = self.issue()
        first = self.admin.RotateToken(token_id=old.token.token_id, request_id=self.name)
        again = self.admin.RotateToken(token_id=old.token.token_id, request_id=self.name)
        self.assertTrue(again.replayed)
        self.assertEqual((again.token.token_id, again.text), (first.token.token_id, ""))

    def test_tokens_are_listed_newest_first_in_pages(self):
        made = [self.issue().token.token_id for _ in range(7)]
        self.admin.RevokeToken(token_id=made[3])
        seen, token = [], ""
        while True:
            page = self.admin.ListTokens(name=self.name, page_size=2, page_token=token)
            self.assertLessEqual(len(page.tokens), 2)
            seen += [entry.token_id for entry in page.tokens]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(seen, [token_id for token_id in made[::-1] if token_id != made[3]])
        ended = self.admin.ListTokens(name=self.name, include_ended=True).tokens
        self.assertEqual([entry.token_id for entry in ended], made[::-1])
        for fields, name in (({"page_token": "nonsense"}, "page_token"), ({"page_size": 501}, "page_size"),
                             ({"page_size": -1}, "page_size")):
            self.assertEqual(self.fails("INVALID_FIELD", self.admin.ListTokens, **fields).fields, [name])

    def test_a_caller_learns_who_it_is(self):
        answer = self.issue()
        with Connection(self.stack.identity.address, answer.text) as connection:
            me = connection.identity.GetSelf()
            self.assertEqual((me.name, me.principal_id), (self.name, answer.token.principal_id))
            self.assertEqual(sorted(me.scopes), sorted([SUBMIT, READ]))
            self.assertEqual(me.expire_time, answer.token.expire_time)

            def used():
                [entry] = self.admin.ListTokens(name=self.name).tokens
                return entry.last_used_time.seconds
            wait_until(used, "the time of last use", timeout=20)

    def test_the_last_admin_token_stays_unless_that_is_meant(self):
        [mine] = [entry for entry in self.admin.ListTokens(name="admin").tokens if ADMIN in entry.scopes]
        failure = self.fails("LAST_ADMIN_TOKEN", self.admin.RevokeToken, token_id=mine.token_id,
                             code="FAILED_PRECONDITION")
        self.assertEqual(failure.metadata["token_id"], mine.token_id)
        other = self.issue(scopes=[ADMIN])
        with Connection(self.stack.identity.address, other.text) as connection:
            self.assertEqual(connection.identity.GetSelf().name, self.name)
            self.admin.RevokeToken(token_id=other.token.token_id)
            self.fails("TOKEN_INVALID", connection.identity.GetSelf)


class TokenBoundTest(StackTest):
    options = {"replicas": 0, "identity": {"max_tokens": 10}}

    @classmethod
    def setUpClass(cls):
        from stack import Stack
        cls.stack = Stack(**cls.options)
        cls.admin = cls.stack.connect_identity("admin").identity

    def test_more_tokens_than_the_bound_are_refused_until_one_ends(self):
        live = len(self.admin.ListTokens().tokens)
        made = [self.admin.IssueToken(name="many", scopes=[READ]).token.token_id for _ in range(10 - live)]
        self.fails("TOO_MANY_TOKENS", self.admin.IssueToken, name="many", scopes=[READ], code="RESOURCE_EXHAUSTED")
        self.admin.RevokeToken(token_id=made[0])
        self.admin.IssueToken(name="many", scopes=[READ])


if __name__ == "__main__":
    unittest.main()
