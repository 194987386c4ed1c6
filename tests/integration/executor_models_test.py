"""yard-agent and models: real processes between a hub that a test speaks for and simulated endpoints."""

import os
import queue
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent import futures

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.join(ROOT, "tools", "simmodel"))
import stubs  # noqa: E402
import grpc  # noqa: E402
from sim_client import Endpoint  # noqa: E402
from stack import BIN, clean_environment  # noqa: E402
from waiting import wait_until  # noqa: E402

hub = stubs.agent_hub
KINDS = {"ollama": "ENDPOINT_KIND_OLLAMA", "openai": "ENDPOINT_KIND_OPENAI", "anthropic": "ENDPOINT_KIND_ANTHROPIC"}
GENERATES = {"ollama": "POST /api/chat", "openai": "POST /v1/chat/completions", "anthropic": "POST /v1/messages"}
FEATURES = ("kind.prompt", "progress", "phase", "logs", "confirm", "route_grant")
SECRET = "sk-simulated-0123456789abcdef"


class ScriptedHub:
    """One agent's stream at a time; the test says what it hears."""

    def __init__(self):
        self.hellos, self.reports, self.requests, self.output = [], [], [], b""
        self.features = FEATURES
        self.acknowledges = True
        self._out = None
        self._numbers = 0
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "switchyard.agent.v1.AgentHubService", {"Connect": grpc.stream_stream_rpc_method_handler(
                self._connect, hub.AgentMessage.FromString, hub.HubMessage.SerializeToString)}),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self):
        if self._out is not None:
            self._out.put(None)
        self._server.stop(None).wait()

    def _connect(self, messages, context):
        out = self._out = queue.SimpleQueue()
        context.add_callback(lambda: out.put(None))
        threading.Thread(target=self._hear, args=(messages, out), daemon=True).start()
        while (message := out.get()) is not None:
            yield message

    def _hear(self, messages, out):
        try:
            for message in messages:
                self._take(message, out)
        except grpc.RpcError:
            pass

    def _take(self, message, out):
        kind = message.WhichOneof("body")
        if kind == "hello":
            welcome = hub.HubMessage()
            welcome.welcome.agent_name = "agent"
            welcome.welcome.features.extend(self.features)
            welcome.welcome.heartbeat_interval.seconds = 1
            welcome.welcome.grace.seconds = 30
            welcome.welcome.keep.extend(message.hello.held)
            out.put(welcome)
            self.hellos.append(message.hello)
        elif kind == "logs":
            self.output += b"".join(chunk.data for chunk in message.logs.chunks if chunk.stream == stubs.agent_admin.LOG_STREAM_STDOUT)
        elif kind == "route_request":
            self.requests.append(message.route_request)
        elif kind == "reports":
            self.reports += message.reports.reports
            numbers = [report.number for report in message.reports.reports if report.number]
            if numbers and self.acknowledges:
                ack = hub.HubMessage()
                ack.ack.through = max(numbers)
                out.put(ack)

    def send(self, **fields):
        self._out.put(hub.HubMessage(**fields))

    def assign(self, task_id, routing=None, instruction="name three colours", generation=1, **fields):
        self._numbers += 1
        self.send(assign=hub.Assign(assignments=[hub.Assignment(
            number=self._numbers, task_id=task_id, generation=generation,
            spec=stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction=instruction), **fields),
            routing=b"" if routing is None else routing.SerializeToString())]))

    def ended(self, task_id, timeout=30):
        """The report that ends it."""
        def found():
            return next((report for report in self.reports if report.task_id == task_id and
                         report.WhichOneof("report") in ("complete", "fail", "released", "reject")), None)
        return wait_until(found, f"the end of {task_id}", timeout)

    def said(self, task_id, kind):
        return [getattr(report, kind) for report in self.reports
                if report.task_id == task_id and report.WhichOneof("report") == kind]


class Agent:
    def __init__(self, folder, address, models, environment=None):
        self.log = os.path.join(folder, "agent.log")
        self.config = os.path.join(folder, "yard-agent.yaml")
        self.environment = environment or {}
        token = os.path.join(folder, "token")
        with open(token, "w", encoding="utf-8") as file:
            file.write("sy_agent_token_of_a_test")
        os.chmod(token, stat.S_IRUSR | stat.S_IWUSR)
        data = os.path.join(folder, "data")
        os.mkdir(data, 0o700)
        with open(self.config, "w", encoding="utf-8") as file:
            yaml.safe_dump({"hub": {"addresses": [address], "token_file": token}, "data_dir": data, "slots": 2,
                            "backends": {"local_exec": {"enabled": False}, **({"models": models} if models else {})}}, file)
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", os.path.join(BIN, "yard-agent"), "run", f"--config={self.config}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**clean_environment(), **self.environment})

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


class ExecutorModelsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="syagent.")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.hub = ScriptedHub()
        self.addCleanup(self.hub.close)
        self.sim = self.simulate("--model", "m:7b,slots=4,loaded=true")
        self.agent = None

    def simulate(self, *options):
        sim = Endpoint(*options)
        self.addCleanup(sim.close)
        return sim

    def start(self, models=None, environment=None):
        self.agent = Agent(self.folder, self.hub.address, models or {}, environment)
        self.agent.start()
        self.addCleanup(self.stop)
        wait_until(lambda: self.hub.hellos, "the agent's hello", 30)
        return self.hub.hellos[-1]

    def stop(self):
        if self.agent.process.poll() is None:
            self.agent.kill()

    def routing(self, sim=None, protocol="ollama", **fields):
        endpoint = {"endpoint": "sim", "kind": KINDS[protocol], "url": (sim or self.sim).url, "local": True, "model": "m:7b",
                    "free": True, "warm": True, **fields.pop("endpoint", {})}
        return stubs.routing.Routing(schema_version=1, decision_id="d", strategy="STRATEGY_LOCAL_LLM",
                                     endpoint=stubs.routing.RoutedEndpoint(**endpoint), **fields)

    def test_a_prompt_is_answered_by_each_protocol(self):
        hello = self.start({"reaches": ["gpu-1"]})
        self.assertIn("kind.prompt", hello.features)
        self.assertNotIn("kind.command", hello.features)
        self.assertIn("reach:gpu-1", hello.capabilities)
        self.assertEqual([(test.name, test.passed) for test in hello.self_tests],
                         [("models", True), ("build_loop", True)])
        for protocol in KINDS:
            with self.subTest(protocol=protocol):
                self.hub.output = b""
                self.hub.assign(protocol, self.routing(protocol=protocol))
                complete = self.hub.ended(protocol).complete
                self.assertIn("name three colours", complete.result.output)
                self.assertIn("name three colours", complete.result.summary)
                wait_until(lambda output=complete.result.output: self.hub.output.decode() == output, "the output")
                usage = complete.result.usage
                self.assertEqual((usage.model, usage.endpoint, usage.model_mismatch), ("m:7b", "sim", False))
                self.assertGreater(usage.output_tokens, 0)
                report = stubs.routing.RouteReport.FromString(complete.route_report)
                self.assertEqual([each.outcome for each in report.observations], [stubs.model_registry.OUTCOME_SUCCESS])
        self.assertEqual(self.sim.sim("GET", "requests")["counts"].get(GENERATES["openai"]), 1)

    def test_what_may_not_be_called_is_rejected_and_nothing_is_sent(self):
        self.start({"credentials": ["env:LISTED https://elsewhere.example"]}, {"LISTED": SECRET, "UNLISTED": SECRET})
        self.hub.assign("unrouted")
        self.hub.assign("unlisted", self.routing(endpoint={"credential": "env:UNLISTED"}))
        self.hub.assign("misdirected", self.routing(endpoint={"credential": "env:LISTED"}))
        self.hub.assign("metadata", self.routing(endpoint={"url": "http://169.254.169.254"}))
        self.hub.assign("away", self.routing(endpoint={"local": False}), local_only=True)
        for task_id, reason in (("unrouted", "UNROUTED"), ("unlisted", "CREDENTIAL_NOT_ALLOWED"),
                                ("misdirected", "CREDENTIAL_NOT_ALLOWED"), ("metadata", "ADDRESS_REFUSED"),
                                ("away", "NOT_LOCAL")):
            reject = self.hub.ended(task_id).reject
            self.assertEqual((reject.reason, reject.permanent), (reason, False), task_id)
        self.assertEqual(self.sim.sim("GET", "requests")["counts"], {})

    def test_a_listed_secret_reaches_its_endpoint_and_nothing_else(self):
        sim = self.simulate("--model", "m:7b,loaded=true", "--api-key", SECRET)
        hello = self.start({"credentials": [f"env:SIM_KEY {sim.url}", "env:ABSENT https://a.example"]}, {"SIM_KEY": SECRET})
        self.assertIn("credential:env:SIM_KEY", hello.capabilities)
        self.assertNotIn("credential:env:ABSENT", hello.capabilities)
        for protocol in KINDS:
            self.hub.assign(protocol, self.routing(sim, protocol, endpoint={"credential": "env:SIM_KEY"}))
            end = self.hub.ended(protocol)
            self.assertEqual(end.WhichOneof("report"), "complete", end)
        self.hub.assign("none", self.routing(sim))
        self.assertIn("ENDPOINT_UNAUTHORIZED", self.hub.ended("none").released.reason)
        self.assertGreaterEqual(self.hub.ended("none").released.retry_after.seconds, 60)
        self.assertNotIn(SECRET, self.agent.text())
        self.assertNotIn(SECRET, "".join(map(str, self.hub.reports)))

    def test_another_endpoint_is_called_only_by_a_grant(self):
        self.start()
        other = self.simulate("--model", "m:7b,loaded=true")
        self.sim.sim("PUT", "faults", [{"kind": "503"}])
        self.hub.assign("t", self.routing(fallbacks=[stubs.routing.Alternative(endpoint="other", model="m:7b")]))
        request = wait_until(lambda: self.hub.requests, "the question")[0]
        self.assertEqual((request.task_id, request.generation, request.reason), ("t", 1, "ENDPOINT_OVERLOADED"))
        self.assertEqual(other.sim("GET", "requests")["counts"], {})
        granted = self.routing(other, endpoint={"endpoint": "other"}, fallback=True, fallback_reason=request.reason)
        self.hub.send(route_grant=hub.RouteGrant(request=request.request, routing=granted.SerializeToString()))
        usage = self.hub.ended("t").complete.result.usage
        self.assertEqual((usage.endpoint, usage.fallback_reason), ("other", "ENDPOINT_OVERLOADED"))
        self.hub.assign("refused", self.routing(fallbacks=[stubs.routing.Alternative(endpoint="other", model="m:7b")]))
        again = wait_until(lambda: self.hub.requests[1:], "the next question")[0]
        self.sim.sim("PUT", "faults", [{"kind": "500"}])
        self.hub.send(route_grant=hub.RouteGrant(request=again.request, refusal="CHAIN_EXHAUSTED"))
        end = self.hub.ended("refused", 60)
        self.assertEqual(end.fail.failure.reason, "ENDPOINT_FAILED")

    def test_what_a_kill_ended_is_not_held_and_runs_again(self):
        self.start()
        self.sim.sim("PUT", "faults", [{"kind": "endless"}, {"kind": "slow_tokens", "seconds": 0.02}])
        self.hub.assign("t", self.routing())
        wait_until(lambda: self.hub.output, "the first words")
        self.agent.kill()
        wait_until(lambda: self.sim.model("m:7b")["busy"] == 0, "the endpoint to notice")
        self.agent.start()
        wait_until(lambda: len(self.hub.hellos) == 2, "the next hello", 30)
        self.assertTrue(self.hub.hellos[1].restarted)
        self.assertEqual(list(self.hub.hellos[1].held), [])
        self.sim.sim("DELETE", "faults")
        self.hub.assign("t", self.routing(), generation=2)
        self.assertEqual(self.hub.ended("t").generation, 2)

    def test_an_end_that_nobody_acknowledged_outlives_a_kill(self):
        self.hub.acknowledges = False
        self.start()
        self.hub.assign("t", self.routing())
        first = self.hub.ended("t")
        self.agent.kill()
        self.hub.reports.clear()
        self.hub.acknowledges = True
        self.agent.start()
        again = self.hub.ended("t")
        self.assertEqual(self.hub.hellos[1].held[0].state, hub.HELD_STATE_DONE)
        self.assertEqual((again.number, again.complete), (first.number, first.complete))
        self.assertTrue(again.complete.route_report)

    def test_cancelling_closes_the_connection_and_waiting_shows_life(self):
        self.start()
        self.sim.sim("PUT", "faults", [{"kind": "slow_first_token", "seconds": 30}])
        self.hub.assign("t", self.routing())
        wait_until(lambda: self.sim.model("m:7b")["busy"] == 1, "the request")
        wait_until(lambda: self.hub.said("t", "progress"), "a sign of life", 20)
        self.assertIn("m:7b at sim", self.hub.said("t", "progress")[0].message)
        self.hub.send(cancel=hub.Cancel(task_id="t", generation=1, reason="enough"))
        self.assertEqual(self.hub.ended("t").released.reason, "enough")
        wait_until(lambda: self.sim.model("m:7b")["busy"] == 0, "the endpoint to notice")


if __name__ == "__main__":
    unittest.main(verbosity=2)
