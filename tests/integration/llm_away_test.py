"""Router or registry away: programs go on, prompts wait with a clear reason, and what may runs marked on what is free."""

import os
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import command  # noqa: E402
from client import retried  # noqa: E402
from llm import LlmTest  # noqa: E402
from waiting import wait_until  # noqa: E402


class AwayTest(LlmTest):
    def tearDown(self):
        for process in (self.it.registry, self.it.router):
            if process.process is None:
                process.start()

    def program(self, seconds="0"):
        """A program's task, submitted."""
        spec = command(self.it.mark, uuid.uuid4().hex, seconds, "0", project=self.project)
        task_id = retried(lambda: self.tasks.SubmitTask(request_id=str(uuid.uuid4()), spec=spec)).task_id
        self.submitted.append(task_id)
        return task_id

    def test_without_a_router_programs_go_on_and_prompts_wait_with_the_reason(self):
        self.price()
        sim, name = self.endpoint()
        self.answered()
        self.it.router.kill()
        self.await_state(self.program(), "SUCCEEDED")
        task_id = self.submit()
        self.await_why(task_id, "router")
        code, out, err = self.yard("task", "why", task_id)
        self.assertEqual(code, 0, err)
        self.assertIn("router", out.lower())
        self.assertEqual(self.yard("route", "explain", "--timeout", "3s", "--", "x")[0], 11)
        self.assertEqual((self.state(task_id), self.asked(sim)), ("QUEUED", 1))
        self.await_state(self.program(), "SUCCEEDED")
        self.it.router.start()
        self.assertEqual(self.await_state(task_id, "SUCCEEDED", timeout=60).result.usage.endpoint, name)

    def test_without_a_router_work_that_may_runs_on_what_is_free_and_is_marked(self):
        self.price()
        _, name = self.endpoint()
        self.answered()
        # Schedulers fetch now and then what they would fall back on.
        time.sleep(12)
        self.it.router.kill()
        waits = self.submit("not this one")
        task = self.await_state(self.submit("this one", free_fallback=True), "SUCCEEDED", timeout=60)
        self.assertEqual(task.result.usage.endpoint, name)
        self.assertTrue(task.result.usage.fallback_reason, "a fallback says so")
        said = next(message for kind, _, message in self.story(task.id) if kind == "ASSIGNED")
        self.assertIn(name, said)
        self.assertEqual(self.state(waits), "QUEUED")
        self.it.router.start()
        self.await_state(waits, "SUCCEEDED", timeout=60)

    def test_without_a_router_nothing_that_costs_is_used(self):
        self.price(free=False, rates={"input": 1, "output": 1})
        sim, _ = self.endpoint("openai", local=False, free=False)
        self.answered()
        time.sleep(12)
        self.it.router.kill()
        task_id = self.submit(free_fallback=True)
        self.await_why(task_id, "router")
        time.sleep(1)
        self.assertEqual((self.state(task_id), self.asked(sim, "openai")), ("QUEUED", 1))
        self.it.router.start()
        self.await_state(task_id, "SUCCEEDED", timeout=60)

    def test_without_a_registry_programs_go_on_and_prompts_follow_when_it_is_back(self):
        self.price()
        _, name = self.endpoint()
        self.answered()
        self.it.registry.kill()
        task_id = self.submit()
        self.await_state(self.program(), "SUCCEEDED")
        said = self.await_why(task_id, "registry")
        self.assertTrue(said)
        self.assertEqual(self.state(task_id), "QUEUED")
        self.it.registry.start()
        self.assertEqual(self.await_state(task_id, "SUCCEEDED", timeout=60).result.usage.endpoint, name)

    def test_a_prompt_that_runs_outlives_the_router(self):
        self.price()
        sim, _ = self.endpoint(sim=["--fault", "slow_tokens,seconds=0.2"])
        task_id = self.submit("speak slowly and for long enough, so that there is time for something to happen")
        wait_until(lambda: sim.model(self.model)["busy"] == 1, "the model to speak")
        self.it.router.kill()
        task = self.await_state(task_id, "SUCCEEDED", timeout=60)
        self.assertEqual((task.attempts, self.asked(sim)), (1, 1))
        self.it.router.start()
        # What came of it is told once the router is back, or its reservation ends.
        wait_until(lambda: self.decisions(task_id=task_id)[0].state != stubs.router.DECISION_STATE_HELD, "the settlement",
                   timeout=30)


if __name__ == "__main__":
    unittest.main(verbosity=2)
