"""Router, registry, hub and Postgres killed while models work: nothing is lost, nothing is charged twice, and what was
reserved comes back."""

import os
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agent_faults import seed_of_this_run  # noqa: E402
from client import Connection, retried  # noqa: E402
from faulty import LONG  # noqa: E402
from llm import MARK, LlmTest, prompt  # noqa: E402
from waiting import wait_until  # noqa: E402

RATES = {"input": 100_000_000, "output": 100_000_000}
SMALL = stubs.spec.ResourceLimits(max_tokens=400)


class LlmKillTest(LlmTest):
    options = {"durable": True}
    agents = ("one", "two")

    def setUp(self):
        super().setUp()
        self.rng = random.Random(f"{seed_of_this_run()}-{self.id()}")
        self.price(free=False, rates=RATES, max_output=100)
        shape = {"local": False, "free": False, "capacity": 4, "models": [{"model": self.model, "capacity": 4}],
                 "sim": ["--fault", "slow_first_token,seconds=0.3"]}
        self.sims = [self.endpoint("openai", **shape) for _ in range(2)]
        self.budget(dollars=10_000)
        self.acknowledged, self.repeats, self.stop = {}, [], threading.Event()

    def _load(self, index):
        with Connection(self.it.queues[0].address, self.it.tokens["admin"], 5.0) as connection:
            number = 0
            while not self.stop.is_set():
                request_id = f"{self.project}-{index}-{number}"
                spec = prompt(f"{request_id} {MARK}", project=self.project, resource_limits=SMALL,
                              on_lost=stubs.spec.ON_LOST_RETRY,
                              retry_policy=stubs.spec.RetryPolicy(max_attempts=20, backoff=[{"nanos": 200_000_000}]))
                task_id = retried(lambda: connection.tasks.SubmitTask(request_id=request_id, spec=spec), 120).task_id
                if self.acknowledged.setdefault(request_id, task_id) != task_id:
                    self.repeats.append(request_id)
                number += 1
                time.sleep(self.rng.uniform(0.1, 0.4))

    def _under_load(self, faults):
        threads = [threading.Thread(target=self._load, args=(index,), daemon=True) for index in range(3)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(self.acknowledged) > 5, "the load")
            for fault in faults:
                fault()
                time.sleep(self.rng.uniform(0.5, 1.5))
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(120)
        self.all_is_well()

    def killed(self, process):
        def fault():
            print(f"kill -9 {process.name}", flush=True)
            process.kill()
            time.sleep(self.rng.uniform(0.1, 1.5))
            process.start(False)
        return fault

    def all_is_well(self):
        self.submitted = []
        tasks = [self.await_state(task_id, "SUCCEEDED", timeout=90) for task_id in self.acknowledged.values()]
        self.assertEqual(self.repeats, [])
        for process in self.it.services():
            process.wait_ready()
        # Reservations end with their tasks, or by themselves.
        wait_until(lambda: self.spent().held_micros == 0, f"the money to be given back: {self.spent()}", timeout=60)
        for _, name in self.sims:
            wait_until(lambda name=name: self.status(name).in_flight == 0, "the capacity to be given back", timeout=90)
        decisions, token = [], ""
        while True:
            page = retried(lambda token=token: self.router.ListDecisions(page_size=200, project=self.project,
                                                                         page_token=token))
            decisions += page.decisions
            token = page.next_page_token
            if not token:
                break
        # One that was reserved and not assigned is given back, and another one may follow under the same generation.
        unused = (stubs.router.DECISION_STATE_RELEASED, stubs.router.DECISION_STATE_EXPIRED)
        self.assertEqual([each for each in decisions if each.state == stubs.router.DECISION_STATE_RELEASED
                          and each.settled_micros], [])
        keys = [(each.task_id, each.generation) for each in decisions if each.state not in unused]
        self.assertEqual(len(keys), len(set(keys)), "one decision counts per assignment")
        settled = {}
        for decision in decisions:
            if decision.settled_micros:
                key = (decision.task_id, decision.generation)
                self.assertNotIn(key, settled, "charged twice")
                settled[key] = decision.settled_micros
        self.assertEqual(self.spent().spent_micros, sum(settled.values()), "charged once, and all of it")
        for task in tasks:
            for attempt in task.history:
                charged = settled.get((task.id, attempt.generation), 0)
                if attempt.usage.cost_micros:
                    self.assertIn(charged, (0, attempt.usage.cost_micros), f"{task.id}/{attempt.generation}")
        told = sum(task.result.usage.cost_micros for task in tasks)
        asked = sum(self.asked(sim, "openai") for sim, _ in self.sims)
        print(f"{len(tasks)} tasks, {len(decisions)} assignments, {asked} requests; {told} reported, "
              f"{sum(settled.values())} charged", flush=True)
        doctor = self.it.run("doctor")
        self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)

    def test_a_killed_router_loses_nothing_and_charges_nothing_twice(self):
        self._under_load([self.killed(self.it.router)] * (20 if LONG else 2))

    def test_a_killed_registry_loses_nothing_and_its_reservations_recover(self):
        self._under_load([self.killed(self.it.registry)] * (20 if LONG else 2))

    def test_a_killed_database_loses_nothing_and_charges_nothing_twice(self):
        def fault():
            print("postgres stops without warning", flush=True)
            self.it.postgres.stop_immediately()
            time.sleep(self.rng.uniform(0.1, 1.5))
            self.it.postgres.start()
        self._under_load([fault] * (10 if LONG else 2))

    def test_a_killed_hub_or_scheduler_gives_back_what_was_reserved(self):
        self._under_load([self.killed(self.it.schedulers[0]), self.killed(self.it.hubs[0])] * (10 if LONG else 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
