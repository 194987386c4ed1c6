"""Command-line agents under the whole set of services: submitted by file, held, routed, checked, and shown to people."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from llm import KEY, KEY_NAME, LlmTest  # noqa: E402
from stub_forge import StubForge  # noqa: E402
from waiting import wait_until  # noqa: E402

AGENT = """#!/usr/bin/python3 -I
import json, os, sys

print("model: " + os.environ["MODEL"], flush=True)
prompt = sys.stdin.read()
if "be wrong" in prompt:
    print("model: other", flush=True)
if "tell the key" in prompt:
    print("the key is " + os.environ["AGENT_KEY"], flush=True)
if "fail" in prompt:
    sys.exit(9)
with open("answer.txt", "w", encoding="utf-8") as file:
    file.write(prompt)
with open(os.environ["SCRATCH"] + "/result.json", "w", encoding="utf-8") as file:
    json.dump({"summary": "wrote answer.txt at " + os.environ.get("URL", ""), "in": 321, "out": 45, "usd": 0.0021}, file)
"""


def entry(name, program, **more):
    return {"name": name, "program": program, "sandbox": "optional", "prompt": "stdin", "network": True,
            "environment": {"MODEL": "{model}", "URL": "{url}", "SCRATCH": "{scratch}", "AGENT_KEY": "{credential}"},
            "names_model": {"from": "output", "pattern": r"^model: (\S+)$"},
            "result": {"file": "result.json", "summary": {"json": "/summary"}, "input_tokens": {"json": "/in"},
                       "output_tokens": {"json": "/out"}, "cost": {"json": "/usd"}},
            "limits": {"time": "1m"}, **more}


class ExternalAgentTest(LlmTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="syagents.")
        os.chmod(cls.folder, 0o755)
        program = os.path.join(cls.folder, "fake-agent")
        with open(program, "w", encoding="utf-8") as file:
            file.write(AGENT)
        os.chmod(program, 0o755)
        cls.agents_file = os.path.join(cls.folder, "agents.yaml")
        with open(cls.agents_file, "w", encoding="utf-8") as file:
            yaml.safe_dump({"agents": [
                entry("painter", program, model={"name": "own:1b", "url": "http://127.0.0.1:1/v1", "local": True,
                                                 "credential": f"env:{KEY_NAME}"}),
                entry("free", program, model={"routed": True}),
                entry("missing", os.path.join(cls.folder, "not-there"), model={"name": "m"})]}, file)
        os.chmod(cls.agents_file, 0o644)
        cls.make_repository()
        cls.forge = StubForge(token=KEY, git_root=os.path.join(cls.folder, "repositories")).start()
        url = f"file://{cls.folder}/repositories/"
        cls.agent_config = {"workspace": {"repositories": [url], "forges": [f"{cls.forge.url()} {url} env:{KEY_NAME}"]},
                            "backends": {"external": {"agents_file": cls.agents_file},
                                         "models": {"credentials": [f"env:{KEY_NAME} http://127.0.0.1:1/v1"]}}}
        try:
            super().setUpClass()
        except BaseException:
            cls.forge.stop()
            shutil.rmtree(cls.folder)
            raise
        try:
            cls.it.add_verification({"sweep": "300ms"})
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def make_repository(cls):
        cls.remote = os.path.join(cls.folder, "repositories", "acme", "app.git")
        people = os.path.join(cls.folder, "people")
        cls.git("init", "-q", "--bare", "-b", "main", cls.remote)
        cls.git("init", "-q", "-b", "main", people)
        with open(os.path.join(people, "README"), "w", encoding="utf-8") as file:
            file.write("hello\n")
        cls.git("-C", people, "add", "-A")
        cls.git("-C", people, "commit", "-q", "-m", "begin")
        cls.git("-C", people, "push", "-q", cls.remote, "HEAD:refs/heads/main")

    @classmethod
    def git(cls, *arguments):
        done = subprocess.run(
            ["git", "-c", "user.name=p", "-c", "user.email=p@x", *arguments], cwd=cls.folder, capture_output=True, text=True,
            check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"})
        return done.stdout.strip()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.forge.stop()
            shutil.rmtree(cls.folder)

    def submit_file(self, **spec):
        path = os.path.join(self.folder, "task.yaml")
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump({"project": self.project, "retry_policy": {"max_attempts": 1}, **spec}, file)
        code, out, err = self.yard("task", "submit", "-f", path, "-o", "name")
        self.assertEqual(code, 0, err)
        self.submitted.append(out.split()[0])
        return self.submitted[-1]

    def external(self, instruction="paint a house", agent="painter", **spec):
        return self.submit_file(external={"agent": agent, "instruction": instruction}, **spec)

    def test_a_task_from_a_file_is_done_by_the_agent_it_names(self):
        task = self.await_state(self.external(), "SUCCEEDED")
        self.assertEqual(task.result.summary, "wrote answer.txt at http://127.0.0.1:1/v1")
        self.assertEqual(task.result.outputs["agent"], "painter")
        self.assertEqual(task.result.outputs["model_confirmed"], "yes")
        usage = task.result.usage
        self.assertEqual((usage.model, usage.input_tokens, usage.output_tokens, usage.cost_micros), ("own:1b", 321, 45, 2100))
        card = self.yard("task", "show", task.id)[1]
        for part in ("own:1b", "wrote answer.txt", "tokens"):
            self.assertIn(part, card)

    def test_its_work_is_checked_and_the_report_is_evidence(self):
        task_id = self.external(verification=[{"name": "answer", "file_contains": {"path": "answer.txt", "text": "paint a house"}},
                                              {"name": "absent", "file_exists": {"path": "absent.txt"}}])
        wait_until(lambda: self.state(task_id) in ("SUCCEEDED", "PARTIAL", "DEAD_LETTER"), "its end")
        report = stubs.checks.CheckReport.FromString(self.get(task_id).result.checks)
        statuses = [stubs.checks.StepStatus.Name(step.status) for step in report.steps]
        self.assertEqual(statuses, ["STEP_STATUS_PASSED", "STEP_STATUS_FAILED"])
        self.assertEqual(report.iterations[0].edit_format, "external")
        self.assertEqual(report.iterations[0].model, "own:1b")

    def test_an_agent_that_nobody_has_is_waited_for_and_named(self):
        for name in ("unheard-of", "missing"):
            task_id = self.external(agent=name)
            self.await_why(task_id, f"external:{name}")
            self.assertIn(f"external:{name}", self.yard("task", "why", task_id)[1])
            self.assertEqual(self.state(task_id), "QUEUED")

    def test_a_pinned_model_is_routed_to_the_agent(self):
        self.price()
        sim, name = self.endpoint("openai")
        task = self.await_state(self.external(agent="free", model_pin={"model": self.model}), "SUCCEEDED")
        self.assertEqual(task.result.outputs["endpoint"], name)
        self.assertEqual(task.result.usage.model, self.model)
        self.assertEqual(task.result.usage.assigned_model, self.model)
        self.assertIn(sim.url, task.result.summary)
        self.assertTrue(any(each.task_id == task.id for each in self.decisions(task_id=task.id)))

    def test_an_agent_with_a_model_of_its_own_gets_no_routed_task(self):
        self.price()
        self.endpoint("openai")
        self.await_why(self.external(agent="painter", model_pin={"model": self.model}), "external-model:painter")

    def in_repository(self, instruction, **spec):
        return self.external(instruction, title="Answer the question",
                             context={"repository": f"file://{self.remote}", "base_branch": "main"},
                             delivery={"push": True, "pull_request": True}, **spec)

    def pulls_of(self, task_id):
        return [pull for pull in self.forge.pulls.get("acme/app", []) if pull["head"] == f"agent/{task_id}"]

    def test_its_changes_are_committed_checked_and_proposed(self):
        task = self.await_state(self.in_repository(
            "what is seven times six?",
            verification=[{"name": "only", "changed_only": {"globs": ["answer.txt"]}},
                          {"name": "clean", "git_clean": {}}]), "SUCCEEDED", 60)
        branch = f"agent/{task.id}"
        self.assertIn("what is seven times six?", self.git("-C", self.remote, "show", f"{branch}:answer.txt"))
        self.assertIn(f"Switchyard-Task: {task.id}", self.git("-C", self.remote, "log", "--format=%B", branch))
        pulls = self.pulls_of(task.id)
        self.assertEqual([(pull["base"], pull["title"]) for pull in pulls], [("main", "Answer the question")])
        self.assertIn("own:1b", pulls[0]["body"])
        report = stubs.checks.CheckReport.FromString(task.result.checks)
        self.assertEqual(list(report.change.paths), ["answer.txt"])
        self.assertEqual((report.change.branch, report.change.pushed), (branch, True))
        self.assertIn("+", task.result.output)

    def test_what_fails_its_checks_is_pushed_and_not_proposed(self):
        task_id = self.in_repository("nothing much", verification=[{"name": "absent", "file_exists": {"path": "absent.txt"}}])
        wait_until(lambda: self.state(task_id) in ("SUCCEEDED", "PARTIAL", "DEAD_LETTER"), "its end", 60)
        self.assertIn(f"agent/{task_id}", self.git("-C", self.remote, "branch", "--list", f"agent/{task_id}"))
        self.assertEqual(self.pulls_of(task_id), [])

    def test_a_failure_has_its_reason_and_what_it_wrote(self):
        task_id = self.external("please fail")
        task = self.await_state(task_id, "DEAD_LETTER")
        self.assertEqual(task.failure.reason, "EXIT_STATUS")
        self.assertEqual(task.result.exit_code, 9)
        self.assertIn("model: own:1b", task.result.output)

    def test_a_key_that_it_prints_is_nowhere_to_be_read(self):
        task = self.await_state(self.external("tell the key"), "SUCCEEDED")
        self.assertIn("the key is [redacted]", task.result.output)
        agent = self.it.agents["one"]
        with open(agent.log, encoding="utf-8", errors="replace") as log:
            self.assertNotIn(KEY, log.read())
        self.assertNotIn(KEY, str(task))

    def test_the_doctor_lists_the_agents(self):
        out = self.it.agents["one"].run("doctor").stdout
        self.assertRegex(out, r"ok +agents +painter: /")
        self.assertRegex(out, r"FAIL +agents +missing: .*there is no program")


if __name__ == "__main__":
    unittest.main(verbosity=2)
