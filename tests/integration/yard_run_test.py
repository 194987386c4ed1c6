"""yard run, ps, show and answer against real processes: what a person sees from the submission to the end."""

import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from fleet import FleetTest  # noqa: E402
from stack import BIN, clean_environment  # noqa: E402
from stream_agent import StreamAgent, enroll  # noqa: E402
from waiting import wait_until  # noqa: E402


class YardTest(FleetTest):
    options = {"hub": {"time": {"heartbeat": "1s"}}, "settings": {"time": {"shard_lease": "1s"}}}

    def start(self, *words, **options):
        environment = {key: value for key, value in clean_environment().items() if not key.startswith("YARD_")}
        environment |= {"YARD_CONFIG": os.path.join(self.fleet.folder, "yard.toml"), "YARD_TOKEN": self.fleet.tokens["admin"],
                        "YARD_ADDRESS": self.fleet.all.address}
        return subprocess.Popen([os.path.join(BIN, "yard"), *words], env=environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def yard(self, *words, timeout=60):
        """A run to its end: (exit code, standard output, standard error)."""
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err

    def submitted(self, process):
        """The id that `yard run` says first."""
        line = process.stderr.readline()
        self.assertRegex(line, "^yard: task [0-9a-f-]{36} submitted$")
        return line.split()[2]


class RunTest(YardTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shell = {"name": "script", "program": "/usr/bin/perl", "rest": ["any:"]}
        from fleet import RULES
        cls.agent = cls.fleet.agent("worker", {"backends": {"models": {"enabled": False}}}, rules=[*RULES, shell])
        cls.agent.enroll()
        cls.agent.start()
        wait_until(lambda: cls.admin.GetAgent(agent="worker").agent.available, "the agent to be available")

    def test_a_command_prints_where_it_printed(self):
        code, out, err = self.yard("run", "--", "/usr/bin/perl", "-e", "print 'to out'; print STDERR \"to err\\n\"")
        self.assertEqual((code, out), (0, "to out"), err)
        for part in ("submitted", "assigned to worker", "running on worker", "to err\n", "succeeded after"):
            self.assertIn(part, err)
        self.assertEqual(self.yard("run", "-q", "--", "/usr/bin/echo", "only this"), (0, "only this\n", ""))

    def test_output_comes_while_the_task_runs(self):
        process = self.start("run", "-q", "--", "/usr/bin/perl", "-e", "$|=1; print \"first\\n\"; sleep 60")
        self.assertEqual(process.stdout.readline(), "first\n")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130)
        self.assertIn("yard logs -f ", err)
        task_id = err.split("yard logs -f ")[1].split(",")[0]
        self.assertEqual(self.state(task_id), "RUNNING")
        code, out, _ = self.yard("ps", "-o", "plain")
        self.assertEqual(code, 0)
        row = next(line.split("\t") for line in out.splitlines() if line.startswith(task_id))
        self.assertEqual((row[1].split()[0], row[2], row[3], row[4]), ("running", "worker", "1", "1"))
        self.cancel(task_id)
        self.await_state(task_id, "CANCELLED")

    def test_an_interruption_cancels_where_that_was_asked_for(self):
        process = self.start("run", "--cancel-on-interrupt", "--", "/usr/bin/sleep", "60")
        task_id = self.submitted(process)
        self.await_state(task_id, "RUNNING")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, self.state(task_id)), (130, "CANCELLED"), err)

    def test_a_failure_of_the_task_is_told_from_one_of_ours(self):
        code, _, err = self.yard("run", "--max-attempts", "1", "--", "/usr/bin/perl", "-e", "exit 7")
        self.assertEqual(code, 10, err)
        self.assertIn("EXIT_STATUS", err)
        code, out, _ = self.yard("run", "--max-attempts", "1", "-o", "json", "--", "/usr/bin/false")
        self.assertEqual((code, json.loads(out)["state"]), (10, "TASK_STATE_DEAD_LETTER"))
        self.assertEqual(self.yard("run")[0], 2)

    def test_a_prompt_that_nobody_takes_waits_and_says_so(self):
        process = self.start("run", "Explain the failing test")
        task_id = self.submitted(process)
        line = process.stderr.readline()
        self.assertIn("yard: held, no-route: no endpoint has any model", line)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.state(task_id), "QUEUED")
        self.cancel(task_id)

    def test_what_every_agent_refuses_waits_with_their_reason_until_the_rules_change(self):
        process = self.start("run", "--", "/usr/bin/id")
        task_id = self.submitted(process)
        said = ""
        while "yard: waits:" not in said:
            said = process.stderr.readline()
            self.assertTrue(said, "it ended")
        for part in ("worker", "NOT_ALLOWED", "/usr/bin/id"):
            self.assertIn(part, said)
        task = self.get(task_id)
        self.assertEqual((self.state(task_id), task.losses, task.generation), ("QUEUED", 0, 1))
        code, out, _ = self.yard("task", "why", task_id)
        self.assertEqual(code, 0)
        self.assertIn("refused", out)
        # The rules of the worker learn it; a retry asks again.
        from fleet import RULES
        self.agent.allow([*RULES, {"name": "id", "program": "/usr/bin/id"},
                          {"name": "script", "program": "/usr/bin/perl", "rest": ["any:"]}])
        self.agent.stop()
        self.agent.start()
        self.assertEqual(self.yard("task", "retry", task_id)[0], 0)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("uid=", out)

    def test_the_card_has_a_waterfall(self):
        task_id = self.yard("run", "-d", "-o", "name", "--", "/usr/bin/sleep", "0.3")[1].strip()
        self.await_state(task_id, "SUCCEEDED")
        code, out, _ = self.yard("task", "show", task_id)
        self.assertEqual(code, 0)
        fall = out.split("where the time went\n")[1].splitlines()
        self.assertEqual([line.split()[0] for line in fall[:4]], ["queued", "assigned", "running", "succeeded"], out)
        self.assertIn("█", fall[2])
        self.assertTrue(fall[2].endswith("worker"))


class BlockedTest(YardTest):
    # The agent of these tests sends no heartbeats.
    options = {"hub": {"time": {"heartbeat": "30s"}}, "settings": {"time": {"shard_lease": "1s"}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        _, token = enroll(cls.fleet.all.address, cls.fleet.tokens["admin"], "asker")
        cls.peer = StreamAgent(cls.fleet.all.address, token)
        cls.addClassCleanup(lambda: cls.peer.leave())
        wait_until(lambda: cls.admin.GetAgent(agent="asker").agent.available, "the agent to be available")

    def test_a_question_reaches_a_person_and_the_answer_the_work(self):
        process = self.start("run", "--", "deploy")
        task_id = self.submitted(process)
        work = self.peer.next()
        self.peer.accept(work)
        self.peer.acknowledged(self.peer.report(work, blocked=stubs.agent_hub.Blocked(
            reason="needs_input", question="which database?")))
        wait_until(lambda: self.get(task_id).question == "which database?", "the question")
        code, out, _ = self.yard("task", "show", task_id)
        self.assertEqual(code, 0)
        self.assertIn("asks: which database?", out)
        self.assertIn("running (blocked)", out)
        self.assertEqual(self.yard("task", "answer", task_id, "staging")[0], 0)
        answer = self.peer.wait("answer", lambda body: body.task_id == task_id)
        self.assertEqual((answer.generation, answer.text), (work.generation, "staging"))
        self.peer.report(work, phase=stubs.agent_hub.PhaseChange(phase=stubs.task.PHASE_EXECUTING))
        self.peer.complete(work, summary=f"deployed to {answer.text}", output=f"used {answer.text}\n")
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (0, "used staging\n"), err)
        self.assertIn("the task asks: which database?", err)
        self.assertIn(f"yard task answer {task_id} TEXT", err)
        self.assertIn("deployed to staging", err)
        task = self.get(task_id)
        self.assertEqual((task.result.summary, task.question), ("deployed to staging", ""))
        self.assertIn("blocked", self.yard("task", "show", task_id)[1])

    def test_only_a_blocked_task_takes_an_answer(self):
        task_id = self.submit("deploy")
        work = self.peer.next()
        self.peer.accept(work)
        self.await_state(task_id, "RUNNING")
        self.assertEqual(self.yard("task", "answer", task_id, "too early")[0], 5)
        self.peer.acknowledged(self.peer.complete(work))
        self.await_state(task_id, "SUCCEEDED")
        self.assertEqual(self.yard("task", "answer", task_id, "too late")[0], 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
