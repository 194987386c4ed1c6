"""The model registry over simulated endpoints: what it finds out about them, and what survives its restart."""

import os
import subprocess
import sys
import time
import unittest
import uuid

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.join(ROOT, "tools", "simmodel"))
import stubs  # noqa: E402
from client import CallError, Connection  # noqa: E402
from sim_client import Endpoint  # noqa: E402
from stack import BIN, Process, Stack, StackTest, clean_environment  # noqa: E402
from waiting import wait_until  # noqa: E402

OLLAMA, OPENAI, ANTHROPIC = (stubs.models.EndpointKind.Value(f"ENDPOINT_KIND_{name}")
                             for name in ("OLLAMA", "OPENAI", "ANTHROPIC"))
# Everything hurries, so that a test takes seconds; the proportions are those of the defaults.
SETTINGS = {
    "models_file": os.path.join(ROOT, "deploy", "config", "models.yaml"),
    "roles_folder": os.path.join(ROOT, "deploy", "config", "roles"),
    "check": {"interval": "600ms", "stagger": "10ms", "connect_timeout": "2s", "response_timeout": "2s",
              "progress_interval": "2s", "progress_timeout": "1s"},
    "breaker": {"cooldown": "1s", "max_cooldown": "1s"},
}
SECRET = "sk-very-secret-0123456789abcdef"


class ModelRegistryTest(StackTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(replicas=0)
        # A file of mode 0600 as a person would make it.
        cls.key_file = os.path.join(cls.stack.folder, "key")
        with open(os.open(cls.key_file, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(SECRET)
        cls.endpoints_file = os.path.join(cls.stack.folder, "endpoints.yaml")
        with open(cls.endpoints_file, "w", encoding="utf-8") as file:
            file.write("endpoints: []\n")
        cls.registry = cls.add_registry("registry")
        cls.connect(cls.registry)

    @classmethod
    def add_registry(cls, name):
        config = {"server": cls.stack.server_section({}), "database": cls.stack.database(),
                  "auth": {"identity_address": cls.stack.identity.address,
                           "token": f"file:{os.path.join(cls.stack.folder, 'service.token')}"},
                  "model_registry": {**SETTINGS, "endpoints_file": cls.endpoints_file}}
        process = Process(cls.stack, "switchyard-model-registry", name, config)
        cls.stack.queues.append(process)
        return process.start()

    @classmethod
    def connect(cls, process):
        cls.admin = cls.stack._connected(Connection(process.address, cls.stack.tokens["admin"])).models
        cls.service = cls.stack._connected(Connection(process.address, cls.stack.tokens["service"])).models

    def setUp(self):
        self.name = f"e{uuid.uuid4().hex[:10]}"

    def tearDown(self):
        for endpoint in self.admin.ListEndpoints(page_size=500).endpoints:
            if endpoint.origin == stubs.models.ORIGIN_API:
                self.admin.RemoveEndpoint(endpoint=endpoint.endpoint_id)

    def simulate(self, *options):
        sim = Endpoint(*options)
        self.addCleanup(sim.close)
        return sim

    def add(self, sim, kind=OLLAMA, **fields):
        fields = {"name": self.name, "kind": kind, "url": sim.url, "local": True, "free": True, **fields}
        return self.admin.AddEndpoint(spec=stubs.models.EndpointSpec(**fields)).endpoint

    def status(self, name=None):
        return self.admin.GetEndpoint(endpoint=name or self.name).endpoint.status

    def state(self, name=None):
        return stubs.models.EndpointState.Name(self.status(name).state)[len("ENDPOINT_STATE_"):]

    def await_state(self, state, timeout=15.0):
        try:
            wait_until(lambda: self.state() == state, f"{self.name} to be {state}", timeout)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it is {self.status()}") from None
        return self.status()

    def verdict(self, level):
        return stubs.models.Verdict.Name(getattr(self.status(), level).verdict)[len("VERDICT_"):]

    def model(self, name):
        return next(model for model in self.status().models if model.model == name)

    def warmth(self, name):
        return stubs.models.Warmth.Name(self.model(name).warmth)[len("WARMTH_"):]

    def reserve(self, model="m:7b", task=None, urgent=False, name=None):
        result = self.service.ReserveCapacity(items=[stubs.model_registry.ReserveItem(
            task_id=task or str(uuid.uuid4()), generation=1, endpoint=name or self.name, model=model,
            urgent=urgent)]).results[0]
        if result.HasField("reservation"):
            return result.reservation
        return stubs.model_registry.RefusalReason.Name(result.refusal.reason)[len("REFUSAL_REASON_"):]

    def test_an_endpoint_of_each_kind_is_found_well(self):
        sim = self.simulate("--model", "m:7b,loaded=true", "--model", "cold:7b")
        for kind in (OLLAMA, OPENAI, ANTHROPIC):
            with self.subTest(kind=kind):
                self.add(sim, kind, local=kind == OLLAMA)
                self.await_state("HEALTHY")
                for level in ("process", "credentials", "models_known"):
                    self.assertEqual(self.verdict(level), "GOOD")
                self.assertEqual(self.warmth("m:7b"), "WARM")
                if kind == OLLAMA:
                    self.assertEqual(self.warmth("cold:7b"), "COLD")
                    self.assertIn("simulated", self.status().server)
                self.admin.RemoveEndpoint(endpoint=self.name)

    def test_a_dead_endpoint_opens_is_left_alone_and_comes_back_by_steps(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        sim.sim("PUT", "faults", [{"kind": "dead"}])
        status = self.await_state("OPEN")
        self.assertEqual(status.capacity, 0)
        self.assertTrue(status.breaker.last_failure)
        self.assertEqual(self.reserve(), "ENDPOINT_CLOSED")
        sim.sim("DELETE", "faults")
        self.await_state("HEALTHY")
        self.assertNotIsInstance(self.reserve(), str)

    def test_a_refused_key_closes_the_endpoint_until_it_is_mended(self):
        sim = self.simulate("--model", "m:7b", "--api-key", SECRET)
        self.add(sim, ANTHROPIC, local=False, credential="env:NOT_SET")
        status = self.await_state("MISCONFIGURED")
        self.assertIn("env:NOT_SET", status.cause)
        self.assertEqual(sim.sim("GET", "requests")["total"], 0)

        spec = self.admin.GetEndpoint(endpoint=self.name).endpoint.spec
        spec.credential = ""
        self.admin.UpdateEndpoint(endpoint=self.name, spec=spec)
        status = self.await_state("MISCONFIGURED")
        self.assertIn("401", status.cause)
        self.assertFalse(status.HasField("next_check_time"))
        asked = sim.sim("GET", "requests")["total"]
        time.sleep(2)
        self.assertEqual(sim.sim("GET", "requests")["total"], asked, "no retries")

        spec.credential = f"file:{self.key_file}"
        self.admin.UpdateEndpoint(endpoint=self.name, spec=spec)
        self.await_state("HEALTHY")
        self.assertNotIn(SECRET, str(self.admin.GetEndpoint(endpoint=self.name)))
        stored = self.stack.postgres.sql("SELECT e::text FROM model_registry.endpoint e")
        self.assertFalse(any(SECRET in row[0] or SECRET.encode().hex() in row[0] for row in stored))
        with open(self.registry.log, encoding="utf-8") as log:
            self.assertNotIn(SECRET, log.read())

    def test_a_rate_limit_is_honoured_and_trips_no_breaker(self):
        sim = self.simulate("--model", "m:7b", "--fault", "429,on=lists,retry_after=3,times=1")
        self.add(sim, OPENAI, local=False)
        status = self.await_state("RATE_LIMITED")
        self.assertEqual(status.breaker.failures_in_row, 0)
        self.assertEqual(self.reserve(), "RATE_LIMITED")
        asked = sim.sim("GET", "requests")["total"]
        time.sleep(1.5)
        self.assertEqual(sim.sim("GET", "requests")["total"], asked, "it is left alone")
        self.await_state("HEALTHY")

    def test_generation_that_hangs_while_lists_answer_is_found_out(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        sim.sim("PUT", "faults", [{"kind": "hang"}])
        self.await_state("OPEN", timeout=30)
        self.assertEqual((self.verdict("process"), self.verdict("models_known"), self.verdict("progress")),
                         ("GOOD", "GOOD", "BAD"))
        self.assertIn("no word", self.status().progress.message)
        sim.sim("DELETE", "faults")
        self.await_state("HEALTHY", timeout=30)
        self.assertEqual(self.verdict("progress"), "GOOD")

    def test_a_person_can_have_it_checked_now(self):
        sim = self.simulate("--model", "m:7b")
        self.add(sim)
        probed = wait_until(lambda: self.probe(generate=True), "a probe that is the only check under way")
        self.assertEqual(probed.endpoint.status.progress.verdict, stubs.models.VERDICT_GOOD)
        self.assertGreater(probed.duration.nanos + probed.duration.seconds, 0)

    def probe(self, **fields):
        try:
            return self.admin.ProbeEndpoint(endpoint=self.name, **fields)
        except CallError as error:
            self.assertEqual(error.reason, "PROBE_UNDER_WAY")
            return None

    def test_a_load_is_told_from_death(self):
        sim = self.simulate("--model", "m:7b,load=4", "--model", "other:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        self.assertEqual(self.warmth("m:7b"), "COLD")
        sim.open("POST", "/api/chat", {"model": "m:7b", "messages": []})
        self.await_state("LOADING")
        wait_until(lambda: self.warmth("m:7b") == "WARM", "the model to be warm")
        self.assertEqual(self.status().breaker.times_opened, 0)

    def test_chosen_models_are_kept_warm_with_their_options(self):
        sim = self.simulate("--model", "m:7b,load=0.2")
        self.add(sim, models=[{"model": "m:7b", "keep_warm": True, "options": {"num_ctx": 2048}}])
        wait_until(lambda: self.status().models and self.warmth("m:7b") == "WARM", "the model to be warm")
        wait_until(lambda: self.model("m:7b").context_window == 2048, "the allocated window")
        time.sleep(3)
        self.assertEqual((sim.model("m:7b")["loads"], sim.model("m:7b")["reloads"]), (1, 0),
                         "our own requests never cause a reload")

    def test_reservations_never_pass_the_capacity_and_urgent_work_keeps_a_slot(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim, capacity=2, models=[{"model": "m:7b", "capacity": 2}])
        self.await_state("HEALTHY")
        first = self.reserve()
        self.assertNotIsInstance(first, str)
        self.assertEqual(self.reserve(), "NO_CAPACITY")
        self.assertNotIsInstance(self.reserve(urgent=True), str)
        self.assertEqual(self.reserve(urgent=True), "NO_CAPACITY")
        self.assertEqual(self.reserve(model="unheard-of"), "MODEL_ABSENT")
        self.await_state("BUSY")
        self.service.ReleaseCapacity(keys=[{"endpoint": self.name, "task_id": first.task_id, "generation": 1}])
        self.assertNotIsInstance(self.reserve(), str)

    def test_configuration_and_reservations_survive_a_kill_and_state_is_rebuilt(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        held = self.reserve()
        self.admin.SetPrice(model={"model": "m:7b", "free": True, "context_window": 4321})
        self.registry.kill()
        self.registry.start()
        self.await_state("BUSY", timeout=10)
        shown = self.admin.GetEndpoint(endpoint=self.name)
        self.assertEqual([each.task_id for each in shown.reservations], [held.task_id])
        self.assertEqual(self.reserve(), "NO_CAPACITY")
        self.assertEqual(self.admin.GetModel(model="m:7b").model.model.context_window, 4321)
        self.admin.RemovePrice(model="m:7b")

    def test_observations_open_the_breaker_at_once(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        now = int(time.time())
        self.service.ReportObservations(observations=[
            {"endpoint": self.name, "model": "m:7b", "outcome": stubs.model_registry.OUTCOME_NO_PROGRESS,
             "begin_time": {"seconds": now + 1}, "message": "no token within 30 s"}] * 3)
        self.assertEqual(self.reserve(), "ENDPOINT_CLOSED")

    def test_a_second_replica_shares_configuration_and_reservations(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        other = self.add_registry("registry-2")
        with Connection(other.address, self.stack.tokens["service"]) as connection:
            def refused():
                result = connection.models.ReserveCapacity(items=[{
                    "task_id": str(uuid.uuid4()), "generation": 1, "endpoint": self.name, "model": "m:7b"}]).results[0]
                return result.refusal.reason
            self.assertNotIsInstance(self.reserve(), str)
            wait_until(lambda: refused() == stubs.model_registry.REFUSAL_REASON_NO_CAPACITY, "the other to see it")
        self.assertEqual(other.stop(), 0)
        self.stack.queues.remove(other)

    def test_a_watch_begins_with_everything_and_goes_on_with_what_changes(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        self.add(sim)
        self.await_state("HEALTHY")
        with self.service.WatchRegistry() as watch:
            watch.wait_for(lambda seen: any(each.snapshot_complete for each in seen), "the snapshot")
            self.assertTrue(any(each.models for each in watch.messages))
            self.assertTrue(any(each.profiles for each in watch.messages))
            sim.sim("PUT", "faults", [{"kind": "dead"}])
            watch.wait_for(lambda seen: any(endpoint.status.state == stubs.models.ENDPOINT_STATE_OPEN
                                            for each in seen for endpoint in each.endpoints), "the breaker to open")
            self.assertEqual([each.sequence for each in watch.messages], list(range(1, len(watch.messages) + 1)))

    def test_a_file_of_endpoints_is_watched_and_read_only(self):
        sim = self.simulate("--model", "m:7b,loaded=true")
        with open(self.endpoints_file, "w", encoding="utf-8") as file:
            file.write(f"endpoints:\n  - {{name: {self.name}, kind: ollama, url: '{sim.url}', local: true}}\n")
        wait_until(lambda: any(each.spec.name == self.name for each in self.admin.ListEndpoints().endpoints),
                   "the endpoint of the file")
        self.await_state("HEALTHY")
        self.fails("ENDPOINT_FROM_FILE", self.admin.RemoveEndpoint, endpoint=self.name, code="FAILED_PRECONDITION")
        with open(self.endpoints_file, "w", encoding="utf-8") as file:
            file.write("endpoints: [{name: broken}]\n")
        time.sleep(3)
        self.assertEqual(self.state(), "HEALTHY", "a file with faults changes nothing")
        with open(self.endpoints_file, "w", encoding="utf-8") as file:
            file.write("endpoints: []\n")
        wait_until(lambda: not any(each.spec.name == self.name for each in self.admin.ListEndpoints().endpoints),
                   "the endpoint of the file to go")

    def test_roles_are_found_by_alias_and_suggested(self):
        self.assertEqual(self.admin.GetRoleProfile(role="Developer").profile.role, "coder")
        failure = self.fails("ROLE_NOT_FOUND", self.admin.GetRoleProfile, role="codr", code="NOT_FOUND")
        self.assertEqual(failure.metadata["suggestion"], "coder")

    def test_files_with_faults_keep_it_from_starting(self):
        broken = os.path.join(self.stack.folder, "broken.yaml")
        with open(broken, "w", encoding="utf-8") as file:
            file.write("models: [{model: a, pricse: {input: 1}}]\n")
        done = self.stack_run_registry(f"--model_registry.models_file={broken}")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("did you mean", done.stdout + done.stderr)

    def stack_run_registry(self, *flags):
        return subprocess.run([os.path.join(BIN, "switchyard-model-registry"), "--server.listen=127.0.0.1:0",
                               "--server.metrics_listen=", f"--database.host={self.stack.postgres.folder}",
                               f"--auth.token=file:{os.path.join(self.stack.folder, 'service.token')}", *flags],
                              capture_output=True, text=True, check=False, timeout=60, env=clean_environment())


if __name__ == "__main__":
    unittest.main()
