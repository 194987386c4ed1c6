"""python_executor.py, an executor of about a hundred lines, works for the real hub."""

import base64
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from fleet import FleetTest  # noqa: E402
from waiting import wait_until  # noqa: E402

PLUGIN = "/usr/bin/grpc_python_plugin"


def generate_service(folder):
    """What protoc makes of a service; the rest of the tests get along without."""
    subprocess.run(["protoc", "-I", stubs.PROTO, f"--plugin=protoc-gen-grpc_python={PLUGIN}",
                    f"--grpc_python_out={folder}", "switchyard/agent/v1/agent_hub.proto"], check=True)
    import switchyard.agent.v1 as package
    package.__path__.append(os.path.join(folder, "switchyard", "agent", "v1"))


class PythonExecutorTest(FleetTest):
    options = {"hub": {"time": {"heartbeat": "500ms"}}, "settings": {"time": {"shard_lease": "1s"}}}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sygrpc.")
        cls.addClassCleanup(folder.cleanup)
        generate_service(folder.name)
        from python_executor import PythonExecutor
        super().setUpClass()
        text = cls.fleet.enrollment("python")[len("sye1_"):]
        bundle = stubs.agent_admin.EnrollmentBundle.FromString(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        token = cls.admin.RedeemEnrollment(token=bundle.token, request_id="a" * 32, host_name="here").token
        cls.executor = PythonExecutor(bundle.addresses[0], token)
        cls.executor.thread.start()
        cls.addClassCleanup(cls.leave)
        wait_until(lambda: cls.admin.GetAgent(agent="python").agent.available, "the executor to be available")

    @classmethod
    def leave(cls):
        cls.executor.stopping.set()
        cls.executor.outbox.put(None)
        cls.executor.thread.join(10)

    def test_it_is_known_for_what_it_is(self):
        agent = self.show("python")
        self.assertEqual(agent.version, "python 1")
        self.assertEqual(agent.probe_state, stubs.agent_admin.PROBE_STATE_PASSED)
        self.assertIn("language:python", agent.capabilities)
        # Older than the hub: what it does not name is not used.
        self.assertIn("logs", agent.missing_features)

    def test_it_completes_tasks(self):
        ids = [self.submit("upper", "task", str(n), capabilities=["language:python"]) for n in range(10)]
        for number, task_id in enumerate(ids):
            task = self.await_state(task_id, "SUCCEEDED")
            self.assertEqual(task.result.output, f"TASK {number}")
            self.assertEqual(self.events(task_id).count("FINISHED"), 1)
        wait_until(lambda: not self.executor.kept and not self.executor.held, "all to be acknowledged")

    def test_a_permanent_failure_is_final(self):
        task = self.await_state(self.submit("fail"), "DEAD_LETTER")
        self.assertEqual((task.failure.reason, task.failure.message), ("EXIT_STATUS", "as asked"))
        self.assertEqual(task.attempts, 1)

    def test_it_asks_and_is_answered(self):
        task_id = self.submit("ask", "which one?")
        wait_until(lambda: self.get(task_id).question == "which one?", "the question")
        self.tasks.AnswerTask(task_id=task_id, answer="the red one")
        self.assertEqual(self.await_state(task_id, "SUCCEEDED").result.output, "the red one")

    def test_it_gives_back_what_is_cancelled(self):
        task_id = self.submit("ask", "whether to go on")
        wait_until(lambda: self.get(task_id).question, "the question")
        self.cancel(task_id)
        self.await_state(task_id, "CANCELLED")

    def test_it_comes_back_when_the_hub_does(self):
        self.fleet.all.kill()
        self.fleet.all.start()
        task = self.await_state(self.submit("upper", "again"), "SUCCEEDED")
        self.assertEqual(task.result.output, "AGAIN")

    def test_what_it_does_not_know_it_refuses_for_good(self):
        task_id = self.submit("lower", "x")
        wait_until(lambda: any(attempt.failure.reason == "NOT_ALLOWED" for attempt in self.get(task_id).history),
                   "the refusal")
        self.assertEqual(self.get(task_id).losses, 0)
        self.cancel(task_id)


if __name__ == "__main__":
    unittest.main(verbosity=2)
