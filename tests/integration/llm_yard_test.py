"""What a person at the command line sees of work with models: route, answer, cost, fallbacks, budgets."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from llm import LlmTest  # noqa: E402
from waiting import wait_until  # noqa: E402

RATES = {"input": 3_000_000, "output": 15_000_000}


class YardTest(LlmTest):
    def setUp(self):
        super().setUp()
        self.price(free=False, rates=RATES)

    def run_prompt(self, *words):
        code, out, err = self.yard("run", "-p", self.project, *words, "name a colour")
        self.submitted.append(err.split()[2])
        return code, out, err, self.submitted[-1]

    def test_an_answer_comes_out_with_model_and_cost_beside_it(self):
        _, name = self.endpoint(free=False)
        code, out, err, task_id = self.run_prompt()
        self.assertEqual(code, 0, err)
        self.assertIn("name a colour", out)
        for part in (self.model, name, "succeeded after", "$0."):
            self.assertIn(part, err)
        self.assertNotIn("FALLBACK", err)
        card = self.yard("task", "show", task_id)[1]
        for part in (self.model, name, "tokens", "cost", "first token", "generation"):
            self.assertIn(part, card)
        self.assertNotIn("ATTENTION", card)

    def test_a_prompt_that_runs_shows_its_model(self):
        sim, name = self.endpoint(free=False, sim=["--fault", "slow_tokens,seconds=0.3"])
        task_id = self.submit("speak slowly and at length")
        wait_until(lambda: sim.model(self.model)["busy"] == 1, "the model to speak")
        out = self.yard("ps", "-p", self.project)[1]
        self.assertIn(f"{self.model} at {name}", out)
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]), reason="seen")

    def test_a_route_is_explained_before_and_after(self):
        _, name = self.endpoint(free=False)
        code, out, err = self.yard("route", "explain", "-p", self.project, "-o", "table", "--", "mend the race")
        self.assertEqual(code, 0, err)
        for part in (f"{self.model} at {name}", "race", "large", "at most $", "chosen"):
            self.assertIn(part, out)
        task = self.answered()
        self.assertIn(name, self.yard("route", "explain", task.id, "-o", "table")[1])
        self.assertIn(name, self.yard("route", "list", "--task", task.id)[1])
        self.assertEqual(json.loads(self.yard("route", "explain", "-o", "json", "--", "x")[1])["tier"], "MODEL_TIER_LARGE")

    def test_many_are_simulated_at_once(self):
        self.endpoint(free=False)
        path = os.path.join(self.it.folder, "prompts.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("mend the race\nwrite a poem\n")
        code, out, err = self.yard("route", "simulate", path, "-p", self.project)
        self.assertEqual(code, 0, err)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertRegex(err, r"2 tasks: 2 large; \$0\.[0-9]+ expected, at most \$")
        self.assertEqual(len(self.tasks.ListTasks(filter={"projects": [self.project]}).tasks), 0)

    def test_a_fallback_is_loud(self):
        sim, name = self.endpoint(free=False)
        _, other = self.endpoint(free=False)
        sim.sim("PUT", "faults", [{"kind": "queue_full"}])
        code, _, err, task_id = self.run_prompt("--endpoint", name, "--allow-fallback")
        self.assertEqual(code, 0, err)
        self.assertIn("ROUTE CHANGED, ENDPOINT_QUEUE_FULL", err)
        self.assertIn("FALLBACK (ENDPOINT_QUEUE_FULL)", err)
        card = self.yard("task", "show", task_id)[1]
        self.assertIn("ATTENTION  FALLBACK (ENDPOINT_QUEUE_FULL)", card)
        self.assertIn(other, card)
        listed = self.yard("route", "list", "--fallbacks", "-p", self.project)[1]
        self.assertIn("FALLBACK (ENDPOINT_QUEUE_FULL)", listed)

    def test_a_mismatch_is_loud(self):
        sim, _ = self.endpoint(free=False)
        sim.sim("PUT", "faults", [{"kind": "wrong_model", "name": "cheap:1b"}])
        code, _, err, task_id = self.run_prompt("--max-attempts", "1")
        self.assertEqual(code, 10, err)
        self.assertIn("MODEL MISMATCH", err)
        self.assertIn(f"({self.model} was assigned, cheap:1b answered)", self.yard("task", "show", task_id)[1])
        wait_until(lambda: "cheap:1b" in self.yard("route", "list", "--mismatches", "-p", self.project)[1], "the decision")

    def test_a_spent_budget_is_seen_and_raised(self):
        self.endpoint(free=False)
        code, out, err = self.yard("budget", "set", self.project, "--limit", "0", "--per", "month", "-p", self.project)
        self.assertEqual(code, 0, err)
        task_id = self.submit()
        self.await_why(task_id, "budget")
        self.assertIn("SPENT", self.yard("budget", "list")[1])
        self.assertIn("budget", self.yard("task", "why", task_id)[1])
        self.assertEqual(self.yard("budget", "set", self.project, "--limit", "10")[0], 0)
        self.assertEqual(self.yard("task", "retry", task_id)[0], 0)
        self.await_state(task_id, "SUCCEEDED")
        state = next(json.loads(line) for line in self.yard("budget", "list", "-o", "jsonl")[1].splitlines()
                     if self.project in line)
        self.assertGreater(int(state["spent_micros"]), 0)
        self.assertEqual(self.yard("budget", "remove", self.project)[0], 0)
        self.assertEqual(self.yard("budget", "remove", self.project)[0], 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
