"""Budgets over simulated endpoints: what is spent holds work, what is raised lets it go, and nobody overspends."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from client import in_threads  # noqa: E402
from llm import LlmTest  # noqa: E402
from waiting import wait_until  # noqa: E402

# A thousand dollars a million tokens: a short answer of a model costs cents.
RATES = {"input": 1_000_000_000, "output": 1_000_000_000}
# Bounds the upper estimate too.
SMALL = stubs.spec.ResourceLimits(max_tokens=400)


class BudgetTest(LlmTest):
    def setUp(self):
        super().setUp()
        self.price(free=False, rates=RATES, max_output=100)

    def cloud(self, **fields):
        return self.endpoint("openai", local=False, free=False, **fields)

    def test_what_is_spent_is_what_was_reported(self):
        self.cloud()
        self.budget(dollars=100)
        tasks = [self.answered(f"number {number}", resource_limits=SMALL) for number in range(3)]
        total = sum(task.result.usage.cost_micros for task in tasks)
        self.assertGreater(total, 0)
        wait_until(lambda: self.spent().held_micros == 0, "everything to be settled")
        self.assertEqual(self.spent().spent_micros, total)
        self.assertEqual(sum(each.settled_micros for each in self.decisions(project=self.project)), total)

    def test_a_spent_budget_holds_with_its_reason_until_it_is_raised(self):
        sim, _ = self.cloud()
        self.budget(dollars=0.000001)
        task_id = self.submit(resource_limits=SMALL)
        self.await_why(task_id, "budget", self.project)
        # It shows in the ledger too.
        wait_until(lambda: self.hold(task_id) == "NO_ROUTE", "the hold", timeout=20)
        self.assertEqual(self.asked(sim, "openai"), 0)
        self.assertEqual(self.get(task_id).attempts, 0)
        self.assertEqual(self.explain(resource_limits=SMALL).hold.code, stubs.router.HOLD_CODE_BUDGET_SPENT)
        self.budget(dollars=100)
        # Without a person's word it would go on by itself, once it is asked about again.
        self.again(task_id)
        task = self.await_state(task_id, "SUCCEEDED")
        self.assertGreater(task.result.usage.cost_micros, 0)

    def test_refused_work_waits_for_a_person(self):
        self.cloud()
        self.budget(dollars=0, policy="REFUSE")
        task_id = self.submit(resource_limits=SMALL)
        self.await_why(task_id, "budget")
        hold = self.explain(resource_limits=SMALL).hold
        self.assertTrue(hold.permanent)

    def test_a_budget_that_says_so_sends_work_to_local_endpoints(self):
        sim, _ = self.cloud()
        local, local_name = self.endpoint()
        self.budget(dollars=0, policy="LOCAL_ONLY")
        task = self.answered(resource_limits=SMALL)
        self.assertEqual(task.result.usage.endpoint, local_name)
        self.assertEqual((self.asked(sim, "openai"), self.asked(local)), (0, 1))

    def test_where_a_budget_applies_an_unknown_price_is_not_used(self):
        self.registry.RemovePrice(model=self.model)
        sim, _ = self.cloud(known=False)
        self.budget(dollars=100)
        task_id = self.submit(resource_limits=SMALL)
        self.await_why(task_id, "price")
        self.assertEqual(self.asked(sim, "openai"), 0)
        self.price(free=False, rates=RATES, max_output=100)
        wait_until(lambda: not self.explain(resource_limits=SMALL).HasField("hold"), "the router to know the price")
        self.again(task_id)
        self.await_state(task_id, "SUCCEEDED")

    def test_it_warns_before_it_is_spent(self):
        self.cloud()
        self.budget(dollars=100, warn_percent=1)
        while not self.spent().warned:
            self.answered(resource_limits=SMALL)
        self.assertFalse(self.spent().spent_micros > self.spent().budget.limit_micros)

    def test_many_at_once_never_overspend(self):
        sim, _ = self.cloud(capacity=16, models=[{"model": self.model, "capacity": 16}])
        upper = self.explain(resource_limits=SMALL).estimate.cost_micros_upper
        self.assertGreater(upper, 0)
        # Room for a few at once, by their upper estimates.
        self.budget(dollars=5 * upper / 1e6)
        tasks = in_threads(24, lambda number: self.submit(f"number {number}", resource_limits=SMALL))
        limit = self.spent().budget.limit_micros
        end = time.monotonic() + 10
        while time.monotonic() < end:
            state = self.spent()
            self.assertLessEqual(state.spent_micros + state.held_micros, limit)
            time.sleep(0.1)
        done = [self.get(task_id) for task_id in tasks if self.state(task_id) == "SUCCEEDED"]
        self.assertGreaterEqual(len(done), 5)
        self.assertLessEqual(sum(task.result.usage.cost_micros for task in done), limit)
        wait_until(lambda: self.spent().held_micros == 0, "everything to be settled")
        self.assertEqual(self.spent().spent_micros, sum(each.settled_micros for each in self.decisions(project=self.project)))
        self.assertEqual(self.asked(sim, "openai"), len(done))


if __name__ == "__main__":
    unittest.main(verbosity=2)
