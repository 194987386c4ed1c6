"""The whole of it: a task with a repository and a failing test goes through queue, router, model, checks, verdict and forge."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from build_loop_test import CALC, PYTHON, RIGHT, TEST, WORSE, WRONG, steps  # noqa: E402
from llm import MARK, LlmTest  # noqa: E402
from stub_forge import StubForge  # noqa: E402

GIT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def git(*arguments, directory):
    return subprocess.run(["git", "-c", "user.name=p", "-c", "user.email=p@x", *arguments], cwd=directory, check=True,
                          capture_output=True, text=True, env=GIT).stdout.strip()


class BuildLoopStoryTest(LlmTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="systory.")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        os.chmod(cls.folder, 0o755)
        cls.remote = os.path.join(cls.folder, "repositories", "acme", "calc.git")
        people = os.path.join(cls.folder, "people")
        git("init", "-q", "--bare", "-b", "main", cls.remote, directory=cls.folder)
        git("init", "-q", "-b", "main", people, directory=cls.folder)
        for name, text in (("calc.py", CALC), ("test_calc.py", TEST)):
            with open(os.path.join(people, name), "w", encoding="utf-8") as file:
                file.write(text)
        git("add", "-A", directory=people)
        git("commit", "-q", "-m", "begin", directory=people)
        git("push", "-q", cls.remote, "HEAD:refs/heads/main", directory=people)
        cls.forge = StubForge(git_root=os.path.join(cls.folder, "repositories")).start()
        cls.addClassCleanup(cls.forge.stop)
        os.environ["STORY_FORGE_TOKEN"] = "stub-token"
        allowlist = os.path.join(cls.folder, "allowlist.yaml")
        with open(allowlist, "w", encoding="utf-8") as file:
            yaml.safe_dump({"rules": [{"name": "tests", "program": PYTHON, "arguments": ["-B", "test_calc.py"],
                                       "sandbox": "optional"}]}, file)
        os.chmod(allowlist, stat.S_IRUSR | stat.S_IWUSR)
        url = f"file://{cls.folder}/repositories/"
        cls.agent_config = {"backends": {"local_exec": {"allowlist_file": allowlist}},
                            "workspace": {"repositories": [url],
                                          "forges": [f"{cls.forge.url()} {url} env:STORY_FORGE_TOKEN"]}}
        super().setUpClass()
        cls.it.add_verification({"sweep": "300ms"})

    def spec(self, **fields):
        return {"title": "Mend calc", "verification": steps("tests", "clean", "only", "changed"),
                "context": stubs.spec.WorkContext(repository=f"file://{self.remote}", files=["calc.py", "test_calc.py"]),
                "delivery": stubs.spec.Delivery(push=True, pull_request=True),
                "retry_policy": stubs.spec.RetryPolicy(max_attempts=1), **fields}

    def script(self, *texts):
        self.price()
        sim, name = self.endpoint()
        sim.sim("PUT", "answers", [{"contains": MARK, "texts": list(texts)}])
        return sim, name

    def test_it_is_mended_in_the_third_iteration_and_the_whole_story_is_told(self):
        self.script(WRONG, WORSE, RIGHT)
        task_id = self.submit("make the tests of calc.py pass", **self.spec())
        task = self.await_state(task_id, "SUCCEEDED", 90)
        report = stubs.checks.CheckReport.FromString(task.result.checks)
        self.assertEqual(report.loop_end, "PASSED", report)
        self.assertEqual([each.failed_at for each in report.iterations], ["VERIFY", "VERIFY", ""])
        self.assertEqual(len(self.forge.pulls["acme/calc"]), 1)
        self.assertEqual(self.forge.pulls["acme/calc"][0]["head"], f"agent/{task_id}")
        code, out, err = self.yard("task", "show", task_id, "-o", "json")
        self.assertEqual(code, 0, err)
        shown = json.loads(out)
        self.assertIn("PASSED", out)
        self.assertIn("iteration", json.dumps(shown))
        code, out, err = self.yard("logs", task_id)
        self.assertEqual(code, 0, err)
        self.assertIn("iteration 2 of 3", out + err)

    def test_a_spent_budget_is_told_with_all_that_was_tried(self):
        self.script(WRONG, WORSE, "Nothing more comes to my mind.")
        task = self.await_end(self.submit("make the tests of calc.py pass", **self.spec()), 90)
        report = stubs.checks.CheckReport.FromString(task.result.checks)
        self.assertEqual(report.loop_end, "BUDGET_EXHAUSTED", report)
        self.assertEqual(len(report.iterations), 3)
        self.assertIn("AssertionError", report.iterations[0].feedback)


if __name__ == "__main__":
    unittest.main(verbosity=2)
