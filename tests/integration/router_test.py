"""The router over a real model registry, task queue and database: what is held, for how long, and what survives."""

import os
import sys
import time
import unittest
import uuid

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.join(ROOT, "tools", "simmodel"))
import stubs  # noqa: E402
from client import CallError, Connection, in_threads  # noqa: E402
from sim_client import Endpoint  # noqa: E402
from stack import Process, Stack, StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

OLLAMA, ANTHROPIC = stubs.models.ENDPOINT_KIND_OLLAMA, stubs.models.ENDPOINT_KIND_ANTHROPIC
LOCAL, CLOUD = "qwen2.5-coder:32b", "claude-sonnet-4-5"
OFFERED = ["credential:env:ALPHA_KEY", "credential:env:BETA_KEY"]
DAY, HOLD, LOCAL_ONLY = stubs.router.BUDGET_PERIOD_DAY, stubs.router.BUDGET_POLICY_HOLD, stubs.router.BUDGET_POLICY_LOCAL_ONLY
HURRY = {"time": {"reservation": "5s", "sweep": "200ms", "hold": "500ms", "call_timeout": "3s"}}
REGISTRY = {"models_file": os.path.join(ROOT, "deploy", "config", "models.yaml"),
            "roles_folder": os.path.join(ROOT, "deploy", "config", "roles"),
            "check": {"interval": "600ms", "stagger": "10ms"}, "breaker": {"cooldown": "1s", "max_cooldown": "1s"}}


class RouterTest(StackTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(environment={"ALPHA_KEY": "a", "BETA_KEY": "b"})
        # One box of one's own and two providers, all simulated; the registry's environment has their keys.
        cls.box = Endpoint("--model", f"{LOCAL},loaded=true,slots=4", "--protocol", "ollama")
        cls.cloud = Endpoint("--model", CLOUD, "--protocol", "anthropic")
        cls.registry = cls.add("switchyard-model-registry", "registry", {"model_registry": REGISTRY})
        addresses = {"model_registry": {"address": cls.registry.address},
                     "task_queue": {"address": cls.stack.queues[0].address}, "router": HURRY}
        cls.router = cls.add("switchyard-router", "router", addresses)
        cls.second = cls.add("switchyard-router", "router-2", addresses)
        cls.connect()
        cls.tasks = cls.stack.connect("admin").tasks
        cls.ledger = cls.stack.connect("service").ledger
        for name, sim, kind, key in (("box", cls.box, OLLAMA, ""), ("alpha", cls.cloud, ANTHROPIC, "env:ALPHA_KEY"),
                                     ("beta", cls.cloud, ANTHROPIC, "env:BETA_KEY")):
            cls.models.AddEndpoint(spec=stubs.models.EndpointSpec(
                name=name, kind=kind, url=sim.url, local=kind == OLLAMA, free=kind == OLLAMA, credential=key,
                capacity=4))
        wait_until(lambda: all(each.status.state == stubs.models.ENDPOINT_STATE_HEALTHY
                               for each in cls.models.ListEndpoints().endpoints), "healthy endpoints", 20)

    @classmethod
    def add(cls, binary, name, sections):
        config = {"server": cls.stack.server_section({}), "database": cls.stack.database(),
                  "auth": {"identity_address": cls.stack.identity.address,
                           "token": f"file:{os.path.join(cls.stack.folder, 'service.token')}"}, **sections}
        process = Process(cls.stack, binary, name, config, cls.stack.environment)
        cls.stack.queues.append(process)
        return process.start()

    @classmethod
    def connect(cls):
        join = cls.stack._connected
        cls.routes = join(Connection(cls.router.address, cls.stack.tokens["service"])).routing
        cls.other = join(Connection(cls.second.address, cls.stack.tokens["service"])).routing
        cls.admin = join(Connection(cls.router.address, cls.stack.tokens["admin"])).routing
        cls.models = join(Connection(cls.registry.address, cls.stack.tokens["admin"])).models

    @classmethod
    def tearDownClass(cls):
        for sim in (cls.box, cls.cloud):
            sim.close()
        super().tearDownClass()

    def tearDown(self):
        for budget in self.admin.ListBudgets().budgets:
            self.admin.RemoveBudget(name=budget.budget.name)

    # What tests do.
    def prompt(self, **fields):
        fields = {"complexity": stubs.spec.COMPLEXITY_COMPLEX, **fields}
        spec = stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction="Say something."), project=self.project,
                                   **fields)
        return self.tasks.SubmitTask(spec=spec).task_id

    def route(self, task, generation=0, routes=None):
        return (routes or self.routes).Route(items=[{"task_id": task, "generation": generation}],
                                             offered=OFFERED).results[0]

    def routed(self, task, generation=0):
        def decision():
            result = self.route(task, generation)
            return result.decision if result.HasField("decision") else None
        return wait_until(decision, "a route", 20)

    def reserve(self, task, generation=1, decision="", routes=None):
        return (routes or self.routes).ReserveRoutes(items=[{
            "task_id": task, "generation": generation, "decision_id": decision, "offered": OFFERED}]).results[0]

    def assign(self, **fields):
        """A task that is routed and reserved; it and its routing."""
        task = self.prompt(**fields)
        result = self.reserve(task, decision=self.routed(task).decision_id)
        self.assertTrue(result.HasField("routing"), result)
        return task, result.routing

    def release(self, *tasks):
        return self.routes.ReleaseRoutes(keys=[{"task_id": task, "generation": 1} for task in tasks]).released

    def hold_code(self, result):
        return stubs.router.HoldCode.Name(result.hold.code)[len("HOLD_CODE_"):]

    def decision(self, task):
        return self.admin.ListDecisions(task_id=task).decisions[0]

    def state(self, task):
        return stubs.router.DecisionState.Name(self.decision(task).state)[len("DECISION_STATE_"):]

    def set_budget(self, limit, **fields):
        name = f"b{uuid.uuid4().hex[:8]}"
        budget = {"name": name, "project": self.project, "period": DAY, "limit_micros": limit, **fields}
        self.admin.SetBudget(budget=budget)
        return name

    def budget(self, name):
        return next(each for each in self.admin.ListBudgets().budgets if each.budget.name == name)

    def capacity_held(self, endpoint):
        return [each.task_id for each in self.models.GetEndpoint(endpoint=endpoint).reservations]

    def test_a_complex_task_goes_to_a_provider_and_routine_work_stays_local(self):
        decision = self.routed(self.prompt())
        self.assertEqual(decision.strategy, stubs.routing.STRATEGY_CLOUD_LLM)
        self.assertIn(decision.candidates[0].endpoint, ("alpha", "beta"))
        self.assertTrue(decision.needs[0].startswith("credential:env:"))
        local = self.routed(self.prompt(complexity=stubs.spec.COMPLEXITY_STANDARD, routine=True))
        self.assertEqual((local.candidates[0].endpoint, local.candidates[0].model), ("box", LOCAL))
        self.assertTrue(all(each.local for each in local.candidates))

    def test_a_reservation_holds_capacity_and_money_until_it_is_settled(self):
        name = self.set_budget(50_000_000)
        task, routing = self.assign()
        held = self.budget(name).held_micros
        self.assertEqual(held, routing.estimate.cost_micros_upper)
        self.assertGreater(held, 0)
        self.assertIn(task, self.capacity_held(routing.endpoint.endpoint))
        again = self.reserve(task, routes=self.other)
        self.assertEqual(again.routing, routing, "another replica answers as the first did")
        outcome = {"task_id": task, "generation": 1, "outcome": stubs.task.ATTEMPT_OUTCOME_SUCCEEDED,
                   "usage": {"model": CLOUD, "input_tokens": 1000, "output_tokens": 100, "cost_micros": 4500}}
        in_threads(4, lambda n: (self.routes if n % 2 else self.other).ReportOutcomes(outcomes=[outcome]))
        state = self.budget(name)
        self.assertEqual((state.spent_micros, state.held_micros), (4500, 0))
        self.assertEqual(self.state(task), "SETTLED")
        wait_until(lambda: task not in self.capacity_held(routing.endpoint.endpoint), "the capacity to be back")

    def test_what_is_released_is_free_and_may_be_reserved_anew(self):
        name = self.set_budget(50_000_000)
        task, _ = self.assign()
        self.assertEqual(self.release(task), 1)
        self.assertEqual(self.release(task), 0)
        self.assertEqual(self.budget(name).held_micros, 0)
        self.assertTrue(self.reserve(task).HasField("routing"))
        self.release(task)

    def test_full_endpoints_are_passed_by_and_then_wait(self):
        held, used = [], set()
        try:
            # Two endpoints of four places each.
            for _ in range(2 * 4 + 1):
                task = self.prompt()
                result = self.reserve(task)
                if result.HasField("hold"):
                    break
                held.append(task)
                used.add(result.routing.endpoint.endpoint)
            self.assertIn(self.hold_code(result), ("NO_CAPACITY", "ENDPOINTS_CLOSED"))
            self.assertEqual(used, {"alpha", "beta"})
            self.assertEqual(len(self.admin.ListDecisions(task_id=task).decisions), 0)
        finally:
            self.release(*held)

    def test_replicas_together_never_overspend(self):
        price = self.assign()[1].estimate.cost_micros_upper
        name = self.set_budget(price * 3 + price // 2)
        tasks = [self.prompt() for _ in range(8)]
        results = in_threads(8, lambda n: self.reserve(tasks[n], routes=self.routes if n % 2 else self.other))
        held = [task for task, result in zip(tasks, results) if result.HasField("routing")]
        state = self.budget(name)
        self.assertLessEqual(state.held_micros, state.budget.limit_micros)
        self.assertLessEqual(len(held), 3)
        self.assertGreater(len(held), 0)
        for result in results:
            if result.HasField("hold"):
                self.assertIn(self.hold_code(result), ("BUDGET_SPENT", "NO_CAPACITY"))
        self.release(*held)
        self.assertEqual(self.budget(name).held_micros, 0)

    def test_a_spent_budget_holds_or_stays_local_as_its_policy_says(self):
        self.set_budget(1)
        task = self.prompt()
        wait_until(lambda: self.hold_code(self.route(task)) == "BUDGET_SPENT", "the budget to be seen")
        self.tearDown()
        self.set_budget(1, policy=LOCAL_ONLY)
        task = self.prompt(complexity=stubs.spec.COMPLEXITY_STANDARD)

        def local():
            result = self.route(task)
            return result.HasField("decision") and all(each.local for each in result.decision.candidates)
        wait_until(local, "only local candidates")

    def test_another_endpoint_is_granted_after_a_failure(self):
        task, first = self.assign()
        observation = {"endpoint": first.endpoint.endpoint, "model": first.endpoint.model,
                       "outcome": stubs.model_registry.OUTCOME_FAILURE, "begin_time": {"seconds": int(time.time())}}
        second = self.routes.GrantRoute(task_id=task, generation=1, observation=observation, reason="ENDPOINT_FAILED",
                                        offered=OFFERED).routing
        self.assertNotEqual(second.endpoint.endpoint, first.endpoint.endpoint)
        self.assertTrue(second.fallback)
        self.assertIn(task, self.capacity_held(second.endpoint.endpoint))
        wait_until(lambda: task not in self.capacity_held(first.endpoint.endpoint), "the former to be released")
        self.assertEqual([each.task_id for each in self.admin.ListDecisions(
            project=self.project, fallbacks_only=True).decisions], [task])
        self.release(task)

    def test_another_model_that_answered_is_found_out(self):
        task, _ = self.assign()
        answer = self.routes.ReportOutcomes(outcomes=[{"task_id": task, "generation": 1, "usage": {"model": "impostor"}}])
        self.assertEqual([each.task_id for each in answer.mismatches], [task])
        self.assertTrue(self.decision(task).mismatch)

    def test_what_runs_is_kept_and_what_nobody_knows_is_returned(self):
        name = self.set_budget(100_000_000)
        running, _ = self.assign()
        orphan, _ = self.assign()
        renewed, _ = self.assign()
        agent = self.agent()
        self.assertEqual(agent.take(running), 1)
        try:
            end = time.monotonic() + 9
            while time.monotonic() < end:
                lost = self.routes.RenewRoutes(keys=[{"task_id": renewed, "generation": 1}]).lost
                self.assertEqual(len(lost), 0)
                time.sleep(0.5)
            wait_until(lambda: self.state(orphan) == "EXPIRED", "the orphan to be returned", 20)
            self.assertEqual(self.state(running), "HELD")
            self.assertEqual(self.state(renewed), "HELD")
            self.assertIn(running, {each for endpoint in ("alpha", "beta") for each in self.capacity_held(endpoint)})
            lost = self.routes.RenewRoutes(keys=[{"task_id": orphan, "generation": 1}]).lost
            self.assertEqual([key.task_id for key in lost], [orphan])
            # The end that nobody reports is found in the task's history.
            agent.expect(agent.finish(running, 1, summary="done", usage=stubs.task.Usage(
                model=CLOUD, input_tokens=10, output_tokens=10, cost_micros=321)))
            wait_until(lambda: self.state(running) == "SETTLED", "the end to be found", 20)
            self.assertEqual(self.budget(name).spent_micros, 321)
        finally:
            self.release(running, orphan, renewed)

    def test_a_killed_router_comes_back_with_what_it_held(self):
        name = self.set_budget(50_000_000)
        task, routing = self.assign()
        waiting = self.prompt()
        decision = self.routed(waiting).decision_id
        self.router.kill()
        try:
            lost = self.other.RenewRoutes(keys=[{"task_id": task, "generation": 1}]).lost
            self.assertEqual(len(lost), 0, "another replica goes on")
        finally:
            self.router.start()
            type(self).connect()
        self.assertEqual(self.reserve(task).routing, routing)
        result = self.reserve(waiting, decision=decision)
        self.assertTrue(result.HasField("routing"), result)
        self.assertGreater(self.budget(name).held_micros, routing.estimate.cost_micros_upper)
        self.release(task, waiting)
        self.assertEqual(self.budget(name).held_micros, 0)

    def test_without_the_registry_it_goes_by_what_it_said_last(self):
        task = self.prompt()
        self.routed(task)
        self.registry.kill()
        try:
            self.assertTrue(self.route(task).HasField("decision"), "the last snapshot")
            result = self.reserve(task)
            self.assertEqual(self.hold_code(result), "REGISTRY_UNKNOWN")
            self.assertEqual(list(self.admin.ListDecisions(task_id=task).decisions), [])
        finally:
            self.registry.start()
            type(self).connect()
        wait_until(lambda: self.reserve(task).HasField("routing"), "a reservation", 30)
        self.release(task)

    def test_without_the_database_it_routes_and_reserves_nothing(self):
        task = self.prompt()
        self.routed(task)
        self.stack.postgres.stop_immediately()
        try:
            self.assertTrue(self.route(task).HasField("decision"), "from memory")
            with self.assertRaises(CallError) as caught:
                self.reserve(task)
            self.assertEqual(caught.exception.code.name, "UNAVAILABLE")
        finally:
            self.stack.postgres.start()
        for process in self.stack.processes():
            process.wait_ready()
        wait_until(lambda: self.may_reserve(task), "a reservation", 30)
        self.release(task)

    def may_reserve(self, task):
        try:
            return self.reserve(task).HasField("routing")
        except CallError:
            return False

    def test_free_local_endpoints_are_published(self):
        snapshot = wait_until(lambda: self.snapshot_of_box(), "the box in the snapshot", 20)
        self.assertEqual({each.endpoint for each in snapshot.endpoints}, {"box"})
        self.assertTrue(all(each.free and each.local for each in snapshot.endpoints))
        self.assertGreater(snapshot.version, 0)

    def snapshot_of_box(self):
        snapshot = self.routes.GetSnapshot()
        return snapshot if snapshot.endpoints else None

    def test_a_route_is_explained_and_nothing_of_it_is_held(self):
        spec = stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction="Refactor the payment code."),
                                   project=self.project)
        explanation = self.admin.ExplainRoute(spec=spec, offered=OFFERED).explanation
        self.assertEqual(explanation.tier, stubs.models.MODEL_TIER_LARGE)
        self.assertTrue(explanation.signals)
        rejected = {each.endpoint.endpoint: each.rejection for each in explanation.candidates}
        self.assertEqual(rejected["box"], "TIER_TOO_LOW")
        self.assertEqual(list(self.admin.ListDecisions(project=self.project).decisions), [])

    def test_the_doctor_finds_nothing(self):
        done = self.stack.run("doctor")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
