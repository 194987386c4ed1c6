"""How a machine joins and leaves, over a real hub, identity service and Postgres, from the contracts alone."""

import base64
import os
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import grpc  # noqa: E402

import stubs  # noqa: E402
from client import Service  # noqa: E402
from stack import BIN, Process, Stack, StackTest, clean_environment  # noqa: E402
from switchyard.agent.v1 import agent_admin_pb2 as admin  # noqa: E402

assert stubs.ROOT
REQUEST = "0123456789abcdef"


class EnrollmentTest(StackTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = stack = Stack(auth={"cache_ttl": "0s"}, identity={"cache_ttl": "0s"})
        token = os.path.join(stack.folder, "service.token")
        cls.hub = Process(stack, "switchyard-agent-hub", "hub", {
            "server": stack.server_section({}), "database": stack.database(),
            "auth": {"identity_address": stack.identity.address, "token": f"file:{token}", "cache_ttl": "0s"},
            "task_queue": {"address": stack.queues[0].address}})
        cls.hub.start()
        cls.channel = grpc.insecure_channel(cls.hub.address)
        cls.admin, cls.anyone = cls.service(stack.tokens["admin"]), cls.service(None)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        code = cls.hub.stop()
        super().tearDownClass()
        if code != 0:
            raise AssertionError(f"the hub ended with {code}")

    @classmethod
    def service(cls, token):
        return Service(cls.channel, admin, "AgentAdminService", token)

    def setUp(self):
        self.name = f"a{uuid.uuid4().hex[:10]}"

    def enroll(self, **fields):
        """The one-time token, out of the string that a person carries to the machine."""
        answer = self.admin.EnrollAgent(name=self.name, addresses=[self.hub.address], **fields)
        text = answer.enrollment[len("sye1_"):]
        bundle = admin.EnrollmentBundle.FromString(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        self.assertEqual((bundle.name, list(bundle.addresses)), (self.name, [self.hub.address]))
        return bundle.token

    def redeem(self, token, request=REQUEST):
        return self.anyone.RedeemEnrollment(token=token, request_id=request, host_name="test")

    def test_a_repeated_redemption_gives_another_token_and_ends_the_first(self):
        one_time = self.enroll()
        first, second = self.redeem(one_time), self.redeem(one_time)
        self.assertEqual(first.agent_id, second.agent_id)
        self.assertEqual(self.service(second.token).GetSelfStatus().agent.name, self.name)
        self.fails("TOKEN_INVALID", self.service(first.token).GetSelfStatus)
        self.fails("ENROLLMENT_UNKNOWN", self.redeem, one_time, "another-request-id")
        self.fails("SCOPE_MISSING", self.service(second.token).ListAgents)

    def test_no_secret_is_stored(self):
        one_time = self.enroll()
        token = self.redeem(one_time).token
        rows = self.stack.postgres.sql("SELECT e::text FROM agent_hub.enrollment e UNION ALL "
                                       "SELECT a::text FROM agent_hub.agent a UNION ALL SELECT t::text FROM identity.token t")
        self.assertTrue(rows)
        for secret in (one_time, token, REQUEST):
            self.assertFalse(any(secret in row[0] for row in rows))

    def test_a_name_belongs_to_one_agent_until_it_is_revoked(self):
        agent = self.redeem(self.enroll())
        self.fails("AGENT_NAME_TAKEN", self.admin.EnrollAgent, name=self.name, addresses=["h:1"])
        self.admin.RevokeAgentToken(agent=self.name, reason="lost")
        self.fails("TOKEN_INVALID", self.service(agent.token).GetSelfStatus)
        self.assertEqual(self.redeem(self.enroll()).agent_id, agent.agent_id)

    def test_rotation_leaves_the_old_token_a_while_and_renewal_is_the_agents_own(self):
        agent = self.redeem(self.enroll())
        rotated = self.admin.RotateAgentToken(agent=self.name, grace={"seconds": 600})
        renewed = self.service(agent.token).RenewToken()
        self.fails("RENEWED_TOO_OFTEN", self.service(agent.token).RenewToken)
        for token in (agent.token, rotated.token, renewed.token):
            self.assertEqual(self.service(token).GetSelfStatus().agent.agent_id, agent.agent_id)
        self.admin.RemoveAgent(agent=self.name)
        for token in (agent.token, rotated.token, renewed.token):
            self.fails("TOKEN_INVALID", self.service(token).GetSelfStatus)
        self.fails("AGENT_NOT_FOUND", self.admin.GetAgent, agent=self.name)

    def test_marks_survive_a_restart_of_the_hub(self):
        self.redeem(self.enroll())
        self.admin.DrainAgent(agent=self.name, reason="upgrade")
        self.hub.kill()
        self.hub.start()
        agent = self.admin.GetAgent(agent=self.name).agent
        self.assertEqual((agent.drain.reason, agent.drain.set_by, agent.available), ("upgrade", "admin", False))
        self.assertFalse(self.admin.ResumeAgent(agent=self.name).agent.HasField("drain"))

    def test_yard_prints_one_line_to_run_elsewhere(self):
        yard = subprocess.run(
            [os.path.join(BIN, "yard"), "agent", "enroll", self.name, "--agent-address", self.hub.address],
            capture_output=True, text=True, check=True, timeout=60,
            env={**clean_environment(), "YARD_HUB_ADDRESS": self.hub.address, "YARD_TOKEN": self.stack.tokens["admin"],
                 "YARD_CONFIG": os.path.join(self.stack.folder, "yard.toml")})
        self.assertRegex(yard.stdout, r"\Ayard-agent enroll sye1_[A-Za-z0-9_-]+\n\Z")


if __name__ == "__main__":
    unittest.main()
