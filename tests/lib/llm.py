"""A whole installation with model registry and router, simulated endpoints, and what tests of work with models say."""

import os
import subprocess
import sys
import unittest
import uuid

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tools", "simmodel"))
import stubs  # noqa: E402
from client import Connection, retried  # noqa: E402
from installation import Installation  # noqa: E402
from sim_client import Endpoint  # noqa: E402
from stack import BIN, Process, clean_environment, merged  # noqa: E402
from waiting import wait_until  # noqa: E402

OLLAMA, OPENAI, ANTHROPIC = (stubs.models.EndpointKind.Value(f"ENDPOINT_KIND_{name}")
                             for name in ("OLLAMA", "OPENAI", "ANTHROPIC"))
PROTOCOLS = {"ollama": OLLAMA, "openai": OPENAI, "anthropic": ANTHROPIC}
# Where each protocol is asked for an answer.
GENERATES = {"ollama": "POST /api/chat", "openai": "POST /v1/chat/completions", "anthropic": "POST /v1/messages"}
COOLDOWN = 2.0
# Everything hurries; the proportions are those of the defaults.
REGISTRY = {
    "models_file": os.path.join(ROOT, "deploy", "config", "models.yaml"),
    "roles_folder": os.path.join(ROOT, "deploy", "config", "roles"),
    "check": {"interval": "400ms", "stagger": "10ms", "connect_timeout": "2s", "response_timeout": "2s",
              "progress_interval": "1d"},
    "breaker": {"cooldown": f"{COOLDOWN:.0f}s", "max_cooldown": f"{COOLDOWN:.0f}s"},
    "timeouts": {"connect": "2s", "load": "10s", "first_token": "4s", "between_tokens": "2s", "least": "2s", "most": "20s"},
}
ROUTER = {"time": {"reservation": "6s", "decision": "2s", "hold": "200ms", "sweep": "300ms", "call_timeout": "4s"}}
# In every instruction of a test, and a key that tasks may send: in the environment of all that is started here.
MARK = "(of a test)"
KEY_NAME, KEY = "SIM_MODEL_KEY", "sk-simulated-0123456789abcdef"


class LlmInstallation(Installation):
    """With one of each service unless told otherwise; `registry` and `router` are processes of their own."""

    def __init__(self, registry=None, router=None, hub=None, scheduler=None, hubs=1, schedulers=1, replicas=1, **options):
        self.registry, self.router, self.sims = None, None, []
        self.registry_settings, self.router_settings = merged(REGISTRY, registry or {}), merged(ROUTER, router or {})
        os.environ[KEY_NAME] = KEY
        super().__init__(hub=hub, scheduler=scheduler, hubs=hubs, schedulers=schedulers, replicas=replicas, **options)

    def _add(self, kind, binary, name, number, config):
        if self.registry is None:
            self._start_models()
        config["router"] = {"address": self.router.address}
        if binary == "switchyard-agent-hub":
            config["model_registry"] = {"address": self.registry.address}
        super()._add(kind, binary, name, number, config)

    def _start_models(self):
        def process(binary, name, more):
            token = os.path.join(self.folder, "service.token")
            return Process(self, binary, name, {
                "server": self.server_section({}), "database": self.database(),
                "auth": {"identity_address": self.identity.address, "token": f"file:{token}"}, **more})
        self.registry = process("switchyard-model-registry", "model-registry", {"model_registry": self.registry_settings})
        self.registry.start()
        self.router = process("switchyard-router", "router", {
            "model_registry": {"address": self.registry.address}, "task_queue": {"address": self.queues[0].address},
            "router": self.router_settings})
        # It is ready once it heard the registry.
        self.router.start()

    def simulate(self, *options):
        """A simulated endpoint of this installation, which nobody knows yet."""
        sim = Endpoint(*options)
        self.sims.append(sim)
        return sim

    def models(self, who="admin"):
        return self._connected(Connection(self.registry.address, self.tokens[who])).models

    def routes(self, who="admin"):
        return self._connected(Connection(self.router.address, self.tokens[who])).routing

    def services(self):
        return super().services() + [each for each in (self.router, self.registry) if each is not None]

    def processes(self):
        # Whoever calls the others ends first.
        whole = super().processes()
        models = [each for each in (self.router, self.registry) if each is not None]
        callers = [each for each in whole if each in self.schedulers or each in self.hubs]
        return callers + models + [each for each in whole if each not in callers]

    def close(self):
        faults = super().close()
        for sim in self.sims:
            sim.close()
        return faults


def prompt(text, **fields):
    """A specification that has a model work on this."""
    return stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction=text), **fields)


class LlmTest(unittest.TestCase):
    """`it` is the installation of the class, with the agents `agents`; endpoints, models and budgets are each test's own."""

    options = {}
    agents = ("one",)
    agent_config = {}
    it = None

    @classmethod
    def setUpClass(cls):
        cls.it = LlmInstallation(**cls.options)
        try:
            config = merged({"slots": 8}, cls.agent_config)
            cls.it.add_agents(*cls.agents, configs={name: config for name in cls.agents})
            connection = cls.it.connect("admin")
            cls.tasks = connection.tasks
            cls.registry, cls.router = cls.it.models(), cls.it.routes()
            cls.scheduling = cls.it._connected(
                Connection(cls.it.schedulers[0].address, cls.it.tokens["admin"])).scheduling
        except BaseException:
            sys.stderr.write(cls.it.tails())
            cls.it.close()
            raise

    @classmethod
    def tearDownClass(cls):
        faults, cls.it = cls.it.close(), None
        if faults:
            raise AssertionError("\n".join(faults))

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before and self.it is not None:
            sys.stderr.write(f"\n=== after {self.id()}\n{self.it.tails()}\n")

    def setUp(self):
        self.project = f"p{uuid.uuid4().hex[:10]}"
        # Models of other tests never serve this one.
        self.model = f"m{uuid.uuid4().hex[:8]}:7b"
        self.submitted = []
        self.addCleanup(self._forget)

    def _forget(self):
        live = [task_id for task_id in self.submitted if self.state(task_id) in ("QUEUED", "ASSIGNED", "RUNNING")]
        if live:
            self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=live), reason="the test is over")
        for endpoint in retried(lambda: self.registry.ListEndpoints(page_size=500)).endpoints:
            self.registry.RemoveEndpoint(endpoint=endpoint.endpoint_id)
        for budget in retried(self.router.ListBudgets).budgets:
            self.router.RemoveBudget(name=budget.budget.name)

    # ---- Endpoints

    def price(self, model=None, tier="LARGE", free=True, **fields):
        """Puts a model into the table: free, or with `rates` in millionths of a dollar per million tokens."""
        self.registry.SetPrice(model=stubs.models.Model(
            model=model or self.model, provider="simulated", tier=stubs.models.ModelTier.Value(f"MODEL_TIER_{tier}"),
            context_window=fields.pop("context_window", 8192), free=free, effective_from="2026-01-01", **fields))

    def endpoint(self, protocol="ollama", model=None, name=None, sim=(), spec=None, known=True, **fields):
        """A simulated endpoint that has `model`, well, and known to the router; (its simulator, its name)."""
        model = model or self.model
        simulated = self.it.simulate("--model", f"{model},loaded=true,slots=16", *sim)
        name = name or f"e{uuid.uuid4().hex[:10]}"
        self.registry.AddEndpoint(spec=stubs.models.EndpointSpec(**{
            "name": name, "kind": PROTOCOLS[protocol], "url": simulated.url, "local": True, "free": True, "capacity": 4,
            "models": [{"model": model, "capacity": 4}], **fields, **(spec or {})}))
        self.await_endpoint(name, "HEALTHY")
        # A local one with a loaded model is asked for a word at first; no fault of a test shall meet that.
        if fields.get("local", True):
            good = stubs.models.VERDICT_GOOD
            wait_until(lambda: self.status(name).progress.verdict == good, f"{name} to say a word: {self.status(name)}")
        if known:
            self.await_known(name)
        return simulated, name

    def status(self, name):
        return retried(lambda: self.registry.GetEndpoint(endpoint=name)).endpoint.status

    def endpoint_state(self, name):
        return stubs.models.EndpointState.Name(self.status(name).state)[len("ENDPOINT_STATE_"):]

    def await_endpoint(self, name, *states, timeout=20.0):
        try:
            wait_until(lambda: self.endpoint_state(name) in states, f"{name} to be {states}", timeout)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it is {self.status(name)}") from None

    def explain(self, text="a word", **fields):
        return retried(lambda: self.router.ExplainRoute(spec=prompt(text, project=self.project, **fields))).explanation

    def await_known(self, name):
        """To the router, as one that takes work."""
        def candidates():
            return [each for each in self.explain().candidates if each.endpoint.endpoint == name and not each.rejection]
        wait_until(candidates, f"the router to know {name}: {self.explain()}")

    def asked(self, sim, protocol="ollama"):
        """Requests for an answer to a task that came; the registry asks for a word too, now and then."""
        return sum(1 for each in sim.sim("GET", "requests")["requests"]
                   if f"{each['method']} {each['path']}" == GENERATES[protocol] and MARK in str(each["body"]))

    # ---- Tasks

    def submit(self, text="say something", **fields):
        spec = prompt(f"{text} {MARK}", **{"project": self.project, **fields})
        task_id = retried(lambda: self.tasks.SubmitTask(request_id=str(uuid.uuid4()), spec=spec)).task_id
        self.submitted.append(task_id)
        return task_id

    def get(self, task_id):
        return retried(lambda: self.tasks.GetTask(task_id=task_id)).task

    def state(self, task_id):
        return stubs.task.TaskState.Name(self.get(task_id).state)[len("TASK_STATE_"):]

    def hold(self, task_id):
        task = self.get(task_id)
        return stubs.task.HoldReason.Name(task.hold_reason)[len("HOLD_REASON_"):] if task.hold_reason else "NONE"

    def await_state(self, task_id, state, timeout=30.0):
        def there():
            now = self.state(task_id)
            if now != state and now in ("SUCCEEDED", "DEAD_LETTER", "CANCELLED", "EXPIRED"):
                raise AssertionError(f"{task_id} is {now}: {self.get(task_id)}")
            return now == state
        try:
            wait_until(there, f"{task_id} to be {state}", timeout)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\nwhy: {self.why(task_id)}\n{self.story(task_id)}") from None
        return self.get(task_id)

    def again(self, task_id):
        """A person has changed what it waits for, and has it looked at now."""
        self.tasks.RetryTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]))

    def answered(self, text="say something", **fields):
        """Submits it and waits for its good end; the task."""
        return self.await_state(self.submit(text, **fields), "SUCCEEDED")

    def await_end(self, task_id, timeout=60.0):
        wait_until(lambda: self.state(task_id) in ("SUCCEEDED", "DEAD_LETTER"), f"{task_id} to end", timeout)
        return self.get(task_id)

    def story(self, task_id):
        """(kind, cause, message) of each event, oldest first."""
        return [(stubs.task.EventKind.Name(event.kind)[len("EVENT_KIND_"):], event.cause, event.message)
                for event in retried(lambda: self.tasks.ListTaskEvents(task_id=task_id)).events]

    def kinds(self, task_id):
        return [kind for kind, _, _ in self.story(task_id)]

    def why(self, task_id):
        """What `yard task why` says."""
        return retried(lambda: self.scheduling.ExplainTask(task_id=task_id)).explanation

    def await_why(self, task_id, *words, timeout=20.0):
        """Until the reason for its wait holds all of them, whatever their case: what the scheduler says of it, and with what
        words it was held or handed back last."""
        def said():
            held = [message for kind, _, message in self.story(task_id) if kind in ("HELD", "RETURNED")]
            text = self.why(task_id) + "".join(held[-1:])
            return text if all(word.lower() in text.lower() for word in words) else None
        try:
            return wait_until(said, f"{task_id} to wait for {words}", timeout)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it says {self.why(task_id)!r}; {self.story(task_id)}") from None

    def yard(self, *words, timeout=60):
        """The command line, to its end: (exit code, standard output, standard error)."""
        environment = {key: value for key, value in clean_environment().items() if not key.startswith("YARD_")}
        environment |= {"YARD_CONFIG": os.path.join(self.it.folder, "yard.toml"), "YARD_TOKEN": self.it.tokens["admin"],
                        "YARD_ADDRESS": self.it.queues[0].address, "YARD_HUB_ADDRESS": self.it.hubs[0].address,
                        "YARD_SCHEDULER_ADDRESS": self.it.schedulers[0].address,
                        "YARD_REGISTRY_ADDRESS": self.it.registry.address, "YARD_ROUTER_ADDRESS": self.it.router.address}
        done = subprocess.run([os.path.join(BIN, "yard"), *words], env=environment, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, check=False, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    # ---- Decisions and money

    def decisions(self, **fields):
        return list(retried(lambda: self.router.ListDecisions(page_size=200, **fields)).decisions)

    def budget(self, name=None, dollars=1.0, policy="HOLD", **fields):
        name = name or self.project
        self.router.SetBudget(budget=stubs.router.Budget(**{
            "name": name, "project": self.project, "period": stubs.router.BUDGET_PERIOD_MONTH,
            "limit_micros": round(dollars * 1e6), "policy": stubs.router.BudgetPolicy.Value(f"BUDGET_POLICY_{policy}"),
            **fields}))
        return name

    def spent(self, name=None):
        return next(state for state in retried(self.router.ListBudgets).budgets
                    if state.budget.name == (name or self.project))

    def metric(self, process, part):
        """The sum of all series whose name holds `part`."""
        return sum(value for name, value in process.metrics().items() if part in name)


def for_each_protocol(test):
    """Runs the test's body once for each of the three."""
    def run(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                # What the former one left behind serves this one no more.
                self._forget()
                self.model = f"m{uuid.uuid4().hex[:8]}:7b"
                self.price()
                test(self, protocol)
    run.__name__ = test.__name__
    return run
