"""yard-agent, a model and a repository: work goes on until its tests pass, and survives its executor's death."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.join(ROOT, "tools", "simmodel"))
import stubs  # noqa: E402
from executor_models_test import Agent, ScriptedHub  # noqa: E402
from sim_client import Endpoint  # noqa: E402
from stub_forge import StubForge  # noqa: E402
from waiting import wait_until  # noqa: E402

hub = stubs.agent_hub
PYTHON = "/usr/bin/python3"
TEST = """import unittest

import calc


class CalcTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(calc.add(1, 2), 3)

    def test_scale(self):
        self.assertEqual(calc.scale(2, 3), 6)


if __name__ == "__main__":
    unittest.main()
"""
CALC = """def add(a, b):
    return a - b


def scale(a, b):
    return a + b
"""


def block(path, search, replace):
    return f"{path}\n```\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n"


def steps(*names):
    make = {"tests": stubs.spec.VerificationStep(
                name="tests", test_passes=stubs.spec.TestPasses(argv=[PYTHON, "-B", "test_calc.py"])),
            "clean": stubs.spec.VerificationStep(name="clean", git_clean=stubs.spec.GitClean()),
            "only": stubs.spec.VerificationStep(name="only", changed_only=stubs.spec.ChangedOnly(globs=["calc.py"])),
            "changed": stubs.spec.VerificationStep(name="changed", diff_not_empty=stubs.spec.DiffNotEmpty())}
    return [make[name] for name in names]


WRONG = "The sign is wrong.\n\n" + block("calc.py", "    return a - b\n", "    return a * b\n")
WORSE = "Now both.\n\n" + block("calc.py", "    return a * b\n", "    return a + b + 1\n") + block(
    "calc.py", "def scale(a, b):\n    return a + b\n", "def scale(a, b):\n    return a - b\n")
RIGHT = "This is it.\n\n" + block("calc.py", "    return a + b + 1\n", "    return a + b\n") + block(
    "calc.py", "    return a - b\n", "    return a * b\n")


class ConfirmingHub(ScriptedHub):
    """Confirms, unless it is told not to."""

    def __init__(self):
        self.confirms, self.current = [], True
        super().__init__()

    def _take(self, message, out):
        if message.WhichOneof("body") != "confirm":
            return super()._take(message, out)
        self.confirms.append(message.confirm)
        if self.current is not None:
            self.confirm(message.confirm)
        return None

    def confirm(self, asked, current=True):
        self.send(confirm_result=hub.ConfirmResult(request=asked.request, current=current))


class Gate:
    """A page that stays away until it is opened."""

    def __init__(self):
        self.arrived, self.opened = threading.Event(), threading.Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                gate.arrived.set()
                gate.opened.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def steps(self):
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        return [stubs.spec.VerificationStep(name="page", http_ok=stubs.spec.HttpOk(url=url))]

    def close(self):
        self.opened.set()
        self.server.shutdown()
        self.server.server_close()


class BuildLoopTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="syloop.")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o711)
        self.remote = os.path.join(self.folder, "repositories", "acme", "calc.git")
        self.people = os.path.join(self.folder, "people")
        self.git("init", "-q", "--bare", "-b", "main", self.remote, directory=self.folder)
        self.git("init", "-q", "-b", "main", self.people, directory=self.folder)
        for name, text in (("calc.py", CALC), ("test_calc.py", TEST)):
            with open(os.path.join(self.people, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "begin")
        self.git("push", "-q", self.remote, "HEAD:refs/heads/main")
        self.forge = StubForge(git_root=os.path.join(self.folder, "repositories")).start()
        self.addCleanup(self.forge.stop)
        self.hub = ConfirmingHub()
        self.addCleanup(self.hub.close)
        self.sim = Endpoint("--model", "m:7b,slots=4,loaded=true,context=65536,default_context=65536")
        self.addCleanup(self.sim.close)
        self.agent = Agent(self.folder, self.hub.address, {}, {"FORGE_TOKEN": "stub-token"})
        with open(self.agent.config, encoding="utf-8") as file:
            config = yaml.safe_load(file)
        url = f"file://{self.folder}/repositories/"
        config["workspace"] = {"repositories": [url],
                               "forges": [f"{self.forge.url()} {url} env:FORGE_TOKEN"]}
        with open(self.agent.config, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)
        allowlist = os.path.join(config["data_dir"], "allowlist.yaml")
        with open(allowlist, "w", encoding="utf-8") as file:
            yaml.safe_dump({"rules": [{"name": "tests", "program": PYTHON, "arguments": ["-B", "test_calc.py"],
                                       "sandbox": "optional"}]}, file)
        os.chmod(allowlist, stat.S_IRUSR | stat.S_IWUSR)
        os.chmod(config["data_dir"], 0o711)
        self.url = f"file://{self.remote}"

    def git(self, *arguments, directory=None):
        done = subprocess.run(
            ["git", "-c", "user.name=p", "-c", "user.email=p@x", *arguments], cwd=directory or self.people,
            capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def branches(self):
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads", directory=self.remote).split()

    def at_remote(self, path, branch):
        return self.git("show", f"{branch}:{path}", directory=self.remote)

    def start(self):
        count = len(self.hub.hellos)
        self.agent.start()
        self.addCleanup(self.stop)
        try:
            wait_until(lambda: len(self.hub.hellos) > count, "the agent's hello", 30)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.agent.text()}") from None

    def stop(self):
        if self.agent.process.poll() is None:
            self.agent.kill()

    def script(self, *texts):
        self.sim.sim("PUT", "answers", [{"contains": "", "texts": list(texts)}])

    def calls(self):
        return self.sim.sim("GET", "requests")["counts"].get("POST /api/chat", 0)

    def assign(self, task_id="t", checks=("tests", "clean", "only", "changed"), push=True, pull_request=True, generation=1,
               more=()):
        routing = stubs.routing.Routing(
            schema_version=1, decision_id="d", strategy="STRATEGY_LOCAL_LLM",
            endpoint=stubs.routing.RoutedEndpoint(
                endpoint="sim", kind="ENDPOINT_KIND_OLLAMA", url=self.sim.url, local=True, model="m:7b", free=True,
                warm=True, context_window=65536, options={"num_ctx": 65536}))
        self.hub.assign(task_id, routing, "Make the tests of calc.py pass.", generation, title="Mend calc",
                        context=stubs.spec.WorkContext(repository=self.url, files=["calc.py", "test_calc.py"]),
                        verification=steps(*checks) + list(more),
                        delivery=stubs.spec.Delivery(push=push, pull_request=pull_request))

    def ended(self, task_id="t", timeout=60, generation=None):
        def found():
            return next((report for report in self.hub.reports if report.task_id == task_id and
                         generation in (None, report.generation) and
                         report.WhichOneof("report") in ("complete", "fail", "released", "reject")), None)
        try:
            return wait_until(found, f"the end of {task_id}", timeout)
        except Exception:
            sys.stderr.write(self.agent.text())
            raise

    def report(self, end):
        self.assertEqual(end.WhichOneof("report"), "complete", f"{end}\n{self.agent.text()}")
        return stubs.checks.CheckReport.FromString(end.complete.result.checks)

    # ---- How it goes.

    def test_it_is_mended_in_the_third_iteration_and_proposed(self):
        self.script(WRONG, WORSE, RIGHT)
        self.start()
        self.assertIn(("build_loop", True), [(test.name, test.passed) for test in self.hub.hellos[0].self_tests])
        self.assign()
        end = self.ended()
        report = self.report(end)
        self.assertEqual(report.loop_end, "PASSED", report)
        self.assertEqual([(each.number, each.failed_at) for each in report.iterations],
                         [(1, "VERIFY"), (2, "VERIFY"), (3, "")])
        self.assertEqual([step.status for step in report.steps], [stubs.checks.STEP_STATUS_PASSED] * 4)
        self.assertIn("AssertionError", report.iterations[0].feedback)
        self.assertTrue(report.iterations[2].kept)
        self.assertEqual(report.change.branch, "agent/t")
        self.assertTrue(report.change.pushed)
        self.assertEqual(list(report.change.paths), ["calc.py"])
        self.assertEqual(self.at_remote("calc.py", "agent/t"),
                         "def add(a, b):\n    return a + b\n\n\ndef scale(a, b):\n    return a * b")
        pulls = self.forge.pulls["acme/calc"]
        self.assertEqual(len(pulls), 1)
        self.assertEqual((pulls[0]["head"], pulls[0]["base"], pulls[0]["title"]), ("agent/t", "main", "Mend calc"))
        self.assertEqual(report.change.pull_request.number, 1)
        self.assertEqual(self.calls(), 3)
        # Before the work, the push and the pull request.
        self.assertGreaterEqual(len(self.hub.confirms), 3)
        usage = end.complete.result.usage
        self.assertEqual(usage.output_tokens, sum(each.output_tokens for each in report.iterations))
        self.assertIn("Mend calc", self.git("log", "--format=%s", "agent/t", directory=self.remote))
        self.assertIn("Switchyard-Task: t", self.git("log", "--format=%b", "agent/t", directory=self.remote))

    def test_what_does_not_pass_is_pushed_and_not_proposed(self):
        self.script(WRONG, WORSE, block("calc.py", "    return a - b\n", "    return a\n"))
        self.start()
        self.assign(pull_request=True)
        report = self.report(self.ended())
        self.assertEqual(report.loop_end, "BUDGET_EXHAUSTED")
        self.assertEqual(report.steps[0].status, stubs.checks.STEP_STATUS_FAILED)
        self.assertTrue(report.iterations[0].kept)
        self.assertIn("a * b", self.at_remote("calc.py", "agent/t"))
        self.assertEqual(self.forge.pulls.get("acme/calc", []), [])

    def test_the_same_failure_twice_ends_it(self):
        self.script(WRONG, block("calc.py", "    return a * b\n", "    return b * a\n"))
        self.start()
        self.assign(push=False, pull_request=False)
        report = self.report(self.ended())
        self.assertEqual(report.loop_end, "REPEATED_FAILURE")
        self.assertEqual(len(report.iterations), 2)
        self.assertEqual(report.iterations[0].fingerprint, report.iterations[1].fingerprint)
        self.assertEqual(self.branches(), ["main"])

    def test_a_model_that_changes_nothing_ends_it(self):
        self.script("All is well.")
        self.start()
        self.assign(push=False, pull_request=False)
        report = self.report(self.ended())
        self.assertEqual(report.loop_end, "NO_CHANGE")

    def test_a_syntax_error_is_found_before_the_tests(self):
        self.script(block("calc.py", "    return a - b\n", "    return a +\n"), WRONG, WORSE)
        self.start()
        self.assign(push=False, pull_request=False)
        report = self.report(self.ended())
        self.assertEqual(report.iterations[0].failed_at, "SYNTAX", report)
        self.assertIn("SyntaxError", report.iterations[0].feedback)

    # ---- Its executor dies.

    def die_and_go_on(self, there, what, gate=None):
        wait_until(there, what, 60)
        self.agent.kill()
        more = ()
        if gate is not None:
            gate.opened.set()
            more = gate.steps()
        self.hub.current = True
        self.sim.sim("DELETE", "faults")
        self.start()
        self.assign(generation=2, more=more)
        return self.ended(generation=2)

    def check_story(self, end):
        report = self.report(end)
        self.assertEqual(report.loop_end, "PASSED", report)
        self.assertEqual(sorted(self.branches()), ["agent/t", "main"])
        self.assertEqual(len(self.forge.pulls["acme/calc"]), 1)
        self.assertEqual(self.at_remote("calc.py", "agent/t"),
                         "def add(a, b):\n    return a + b\n\n\ndef scale(a, b):\n    return a * b")
        return report

    FIX = block("calc.py", "    return a - b\n", "    return a + b\n") + block(
        "calc.py", "def scale(a, b):\n    return a + b\n", "def scale(a, b):\n    return a * b\n")

    def test_killed_in_each_phase_it_leaves_one_branch_and_one_proposal(self):
        self.script(WRONG, WORSE, RIGHT, self.FIX, self.FIX, self.FIX, self.FIX)
        generation = 0
        for phase in ("WORKSPACE", "GENERATING", "APPLYING", "VERIFYING"):
            generation += 1
            self.start()
            self.assign(generation=generation)
            wanted = stubs.task.Phase.Value(f"PHASE_{phase}")
            wait_until(lambda now=generation, wanted=wanted: any(
                report.generation >= now and (report.HasField("complete") or report.phase.phase == wanted)
                for report in self.hub.reports), f"the phase {phase}", 60)
            self.agent.kill()
        self.start()
        self.assign(generation=generation + 1)
        end = self.ended(generation=generation + 1)
        report = self.report(end)
        self.assertEqual(report.loop_end, "PASSED", report)
        self.assertEqual(sorted(self.branches()), ["agent/t", "main"])
        self.assertEqual(len(self.forge.pulls["acme/calc"]), 1)

    def test_killed_while_the_model_answers(self):
        self.script(self.FIX)
        self.sim.sim("PUT", "faults", [{"kind": "slow_tokens", "seconds": 1.5, "times": 1}])
        self.start()
        self.assign()
        self.check_story(self.die_and_go_on(lambda: self.sim.model("m:7b")["busy"] == 1, "the model to speak"))

    def test_killed_while_it_verifies(self):
        self.script(self.FIX)
        gate = Gate()
        self.addCleanup(gate.close)
        self.start()
        self.assign(checks=("tests",), more=gate.steps())
        report = self.check_story(self.die_and_go_on(gate.arrived.is_set, "the checks", gate))
        self.assertEqual(list(report.iterations), [])
        self.assertEqual(self.calls(), 1)

    def test_killed_before_the_push_it_asks_no_model_again(self):
        self.script(self.FIX)
        self.start()
        self.assign()
        # The first confirmation is for the work itself.
        wait_until(lambda: self.hub.confirms, "the first confirmation", 30)
        self.hub.current = None
        report = self.check_story(self.die_and_go_on(lambda: len(self.hub.confirms) > 1, "the question before the push"))
        self.assertEqual(self.calls(), 1)
        self.assertEqual(list(report.iterations), [])

    def test_killed_between_push_and_pull_request(self):
        self.script(self.FIX)
        self.forge.fault(r"GET .*/pulls", kind="hang")
        self.start()
        self.assign()
        wait_until(lambda: self.forge.count(r"GET .*/pulls") > 0, "the question for a pull request", 60)
        self.agent.kill()
        self.forge.release.set()
        self.start()
        self.assign(generation=2)
        self.check_story(self.ended(generation=2))
        self.assertEqual(self.calls(), 1)

    def test_killed_when_the_pull_request_is_there_and_nobody_knows(self):
        self.script(self.FIX)
        self.forge.fault(r"POST .*/pulls", kind="lost")
        self.start()
        self.assign()
        wait_until(lambda: self.forge.pulls.get("acme/calc"), "the pull request", 60)
        self.agent.kill()
        self.start()
        self.assign(generation=2)
        self.check_story(self.ended(generation=2))

    def test_a_stale_generation_pushes_nothing(self):
        self.script(self.FIX)
        self.start()
        self.assign()
        wait_until(lambda: self.hub.confirms, "the first confirmation", 30)
        self.hub.current = None
        asked = wait_until(lambda: self.hub.confirms[1:], "the question before the push", 60)[0]
        self.hub.confirm(asked, current=False)
        end = self.ended()
        self.assertNotEqual(end.WhichOneof("report"), "complete", end)
        self.assertEqual(self.branches(), ["main"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
