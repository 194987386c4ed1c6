"""Prompts from submission to answer over simulated endpoints of all three protocols: what went well and what did not."""

import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from client import in_threads  # noqa: E402
from llm import COOLDOWN, LlmTest, for_each_protocol  # noqa: E402
from waiting import wait_until  # noqa: E402

ONCE = stubs.spec.RetryPolicy(max_attempts=1)
# Three dollars a million tokens in, fifteen out.
RATES = {"input": 3_000_000, "output": 15_000_000}
# As each protocol says that it has no time for us.
NO_TIME = {"ollama": ("queue_full", "ENDPOINT_QUEUE_FULL"), "openai": ("503", "ENDPOINT_OVERLOADED"),
           "anthropic": ("529", "ENDPOINT_OVERLOADED")}


class AnswerTest(LlmTest):
    @for_each_protocol
    def test_a_prompt_is_routed_answered_and_accounted_for(self, protocol):
        self.price(free=False, rates=RATES)
        sim, name = self.endpoint(protocol, free=False)
        task = self.answered("name three colours")
        self.assertIn("name three colours", task.result.output)
        usage = task.result.usage
        self.assertEqual((usage.model, usage.assigned_model, usage.endpoint), (self.model, self.model, name))
        self.assertGreater(usage.input_tokens, 0)
        self.assertGreater(usage.output_tokens, 0)
        self.assertEqual((usage.fallback_reason, usage.model_mismatch, usage.cost_unknown), ("", False, False))
        self.assertEqual(usage.cost_micros, 3 * usage.input_tokens + 15 * usage.output_tokens)
        self.assertTrue(usage.HasField("first_token_time") and usage.HasField("generation_time"))
        self.assertEqual(self.asked(sim, protocol), 1)
        # The timeline says which model and where, before anything was spent.
        said = next(message for kind, _, message in self.story(task.id) if kind == "ASSIGNED")
        self.assertIn(self.model, said)
        self.assertIn(name, said)
        decision, = self.decisions(task_id=task.id)
        self.assertEqual(decision.routing.endpoint.endpoint, name)
        wait_until(lambda: self.decisions(task_id=task.id)[0].state == stubs.router.DECISION_STATE_SETTLED, "the settlement")
        decision, = self.decisions(task_id=task.id)
        self.assertEqual((decision.settled_micros, decision.mismatch), (usage.cost_micros, False))
        self.assertGreaterEqual(decision.reserved_micros, decision.settled_micros)
        wait_until(lambda: self.status(name).in_flight == 0, "its capacity to be given back")

    @for_each_protocol
    def test_many_prompts_at_once_never_pass_the_capacity(self, protocol):
        sim, name = self.endpoint(protocol, capacity=2, models=[{"model": self.model, "capacity": 2}],
                                  sim=["--fault", "slow_first_token,seconds=0.2"])
        tasks = in_threads(10, lambda number: self.answered(f"number {number}"))
        self.assertEqual({task.result.usage.endpoint for task in tasks}, {name})
        self.assertLessEqual(sim.model(self.model)["max_busy"], 2)
        self.assertEqual(self.asked(sim, protocol), 10)

    def test_what_a_price_is_not_known_for_says_so(self):
        _, name = self.endpoint(free=False)
        task = self.answered()
        self.assertEqual(task.result.usage.endpoint, name)
        self.assertTrue(task.result.usage.cost_unknown)
        self.assertEqual(task.result.usage.cost_micros, 0)

    def test_output_comes_while_the_model_speaks(self):
        self.price()
        self.endpoint(sim=["--fault", "slow_tokens,seconds=0.2"])
        task_id = self.submit("say it slowly, please, word for word")
        hub = self.it.hub_admin()
        with hub.ReadTaskLog(task_id=task_id, follow=True, timeout=60) as log:
            log.wait_for(lambda seen: any(chunk.data for each in seen for chunk in each.chunks), "the first words")
            self.assertEqual(self.state(task_id), "RUNNING")
        self.await_state(task_id, "SUCCEEDED", timeout=60)

    def test_a_cancelled_prompt_closes_its_connection(self):
        self.price()
        sim, name = self.endpoint()
        sim.sim("PUT", "faults", [{"kind": "endless"}, {"kind": "slow_tokens", "seconds": 0.05}])
        task_id = self.submit()
        wait_until(lambda: sim.model(self.model)["busy"] == 1, "the model to speak")
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]), reason="enough")
        self.await_state(task_id, "CANCELLED")
        wait_until(lambda: sim.model(self.model)["busy"] == 0, "the connection to be closed")
        wait_until(lambda: self.status(name).in_flight == 0, "its capacity to be given back")

    def test_a_cold_model_is_waited_for(self):
        self.price()
        sim, _ = self.endpoint()
        sim.sim("PUT", "models", [{"name": self.model, "load": 2, "slots": 4}])
        task = self.answered()
        self.assertGreater(task.result.usage.load_time.seconds, 0)
        self.assertEqual((task.attempts, sim.model(self.model)["loads"]), (1, 1))


class FailureTest(LlmTest):
    @for_each_protocol
    def test_a_rate_limit_is_waited_for_and_charges_nothing(self, protocol):
        sim, name = self.endpoint(protocol)
        sim.sim("PUT", "faults", [{"kind": "429", "times": 1, "retry_after": 1}])
        task = self.answered(retry_policy=ONCE)
        self.assertEqual((task.result.usage.endpoint, task.result.usage.fallback_reason), (name, ""))
        self.assertEqual(self.asked(sim, protocol), 2)
        self.assertEqual(sum(attempt.charged for attempt in task.history), 1)
        self.assertEqual(self.status(name).breaker.failures_in_row, 0)

    @for_each_protocol
    def test_refused_credentials_close_the_endpoint_and_are_never_a_silent_fallback(self, protocol):
        sim, name = self.endpoint(protocol)
        other, _ = self.endpoint(protocol)
        sim.sim("PUT", "faults", [{"kind": "401", "on": "generation"}])
        task_id = self.submit(model_pin=stubs.spec.ModelPin(endpoint=name, allow_fallback=True))
        self.await_endpoint(name, "MISCONFIGURED")
        wait_until(lambda: self.state(task_id) == "QUEUED", "it to be handed back")
        time.sleep(2)
        self.assertEqual(self.asked(sim, protocol), 1, "zero retries")
        self.assertEqual(self.asked(other, protocol), 0, "nobody was told of another one")
        task = self.get(task_id)
        self.assertEqual(task.attempts, 0)
        self.assertIn("ENDPOINT_UNAUTHORIZED", str(self.story(task_id)) + task.failure.reason)
        # Mended by a person, and asked for again by one.
        sim.sim("DELETE", "faults")
        self.registry.EnableEndpoint(endpoint=name)
        self.await_endpoint(name, "HEALTHY")
        self.again(task_id)
        task = self.await_state(task_id, "SUCCEEDED")
        self.assertEqual(task.result.usage.endpoint, name)

    @for_each_protocol
    def test_an_endpoint_without_time_is_left_by_a_grant_and_marked(self, protocol):
        fault, reason = NO_TIME[protocol]
        sim, name = self.endpoint(protocol)
        other, other_name = self.endpoint(protocol)
        sim.sim("PUT", "faults", [{"kind": fault}])
        before = self.metric(self.it.router, "fallback")
        task = self.answered(retry_policy=ONCE, model_pin=stubs.spec.ModelPin(endpoint=name, allow_fallback=True))
        usage = task.result.usage
        self.assertEqual((usage.endpoint, usage.fallback_reason), (other_name, reason))
        self.assertEqual((self.asked(sim, protocol), self.asked(other, protocol)), (1, 1))
        self.assertEqual((task.generation, task.attempts), (1, 1))
        changed = [(cause, message) for kind, cause, message in self.story(task.id) if kind == "ROUTE_CHANGED"]
        self.assertEqual([cause for cause, _ in changed], [reason])
        self.assertIn(other_name, changed[0][1])
        decision, = self.decisions(task_id=task.id)
        self.assertTrue(decision.routing.fallback)
        self.assertEqual((decision.routing.endpoint.endpoint, decision.routing.fallback_reason), (other_name, reason))
        self.assertIn(task.id, [each.task_id for each in self.decisions(project=self.project, fallbacks_only=True)])
        wait_until(lambda: self.metric(self.it.router, "fallback") > before, "the metric")
        for each in (name, other_name):
            wait_until(lambda each=each: self.status(each).in_flight == 0, "its capacity to be given back")

    @for_each_protocol
    def test_a_cut_answer_is_never_a_success(self, protocol):
        sim, _ = self.endpoint(protocol)
        for number, kind in enumerate(("truncate", "no_end", "malformed", "reset")):
            with self.subTest(kind=kind):
                sim.sim("PUT", "faults", [{"kind": kind, "tokens": 2, "times": 1}])
                task = self.await_end(self.submit(f"cut {number}", retry_policy=ONCE))
                self.assertEqual(stubs.task.TaskState.Name(task.state), "TASK_STATE_DEAD_LETTER")
                self.assertIn(task.failure.reason, ("STREAM_CUT", "ANSWER_UNREADABLE", "STREAM_ERROR"))
                # Failures in a row would close it for the next one.
                self.answered(f"well {number}")

    @for_each_protocol
    def test_a_model_that_is_another_one_fails_the_attempt(self, protocol):
        sim, _ = self.endpoint(protocol)
        sim.sim("PUT", "faults", [{"kind": "wrong_model", "name": "something-cheaper:1b"}])
        before = self.metric(self.it.router, "mismatch")
        task = self.await_end(self.submit(retry_policy=ONCE))
        self.assertEqual((stubs.task.TaskState.Name(task.state), task.failure.reason),
                         ("TASK_STATE_DEAD_LETTER", "MODEL_MISMATCH"))
        usage = task.history[0].usage
        self.assertEqual((usage.model, usage.assigned_model), ("something-cheaper:1b", self.model))
        self.assertTrue(usage.model_mismatch)
        wait_until(lambda: self.decisions(task_id=task.id)[0].mismatch, "the decision's mark")
        self.assertIn(task.id, [each.task_id for each in self.decisions(project=self.project, mismatches_only=True)])
        wait_until(lambda: self.metric(self.it.router, "mismatch") > before, "the metric")

    @for_each_protocol
    def test_silence_and_stalls_end_by_their_time_outs(self, protocol):
        sim, _ = self.endpoint(protocol)
        sim.sim("PUT", "faults", [{"kind": "hang_after", "tokens": 1, "times": 1}])
        task = self.await_end(self.submit(retry_policy=ONCE))
        self.assertEqual(task.failure.reason, "TOKEN_TIMEOUT")

    @for_each_protocol
    def test_a_spending_limit_of_the_provider_is_not_tried_again(self, protocol):
        if protocol == "ollama":
            return
        sim, name = self.endpoint(protocol)
        sim.sim("PUT", "faults", [{"kind": "spend_limit"}])
        task_id = self.submit()
        self.await_endpoint(name, "MISCONFIGURED")
        wait_until(lambda: self.state(task_id) == "QUEUED", "it to be handed back")
        time.sleep(1)
        self.assertEqual(self.asked(sim, protocol), 1)

    @for_each_protocol
    def test_an_endpoint_that_is_down_is_passed_over_by_the_chain(self, protocol):
        sim, name = self.endpoint(protocol)
        _, other_name = self.endpoint(protocol)
        pin = stubs.spec.ModelPin(endpoint=name, allow_fallback=True)
        self.answered(model_pin=pin)
        sim.sim("PUT", "faults", [{"kind": "dead"}])
        task = self.answered(model_pin=pin)
        self.assertEqual(task.result.usage.endpoint, other_name)
        self.assertTrue(task.result.usage.fallback_reason)
        sim.sim("DELETE", "faults")
        # It takes work again before it is believed to be well.
        self.await_endpoint(name, "HEALTHY", "FAILING")
        self.await_known(name)
        wait_until(lambda: self.answered(model_pin=pin).result.usage.endpoint == name, "the first choice to be used again")

    def test_a_pinned_endpoint_that_is_gone_is_waited_for(self):
        self.price()
        sim, name = self.endpoint()
        other, _ = self.endpoint()
        sim.sim("PUT", "faults", [{"kind": "dead"}])
        self.await_endpoint(name, "OPEN")
        task_id = self.submit(model_pin=stubs.spec.ModelPin(endpoint=name))
        self.await_why(task_id, name)
        self.assertEqual((self.state(task_id), self.asked(other)), ("QUEUED", 0))
        sim.sim("DELETE", "faults")
        self.assertEqual(self.await_state(task_id, "SUCCEEDED").result.usage.endpoint, name)

    def test_local_work_never_leaves(self):
        self.price()
        cloud, _ = self.endpoint("openai", local=False)
        task_id = self.submit("a secret", local_only=True)
        self.await_why(task_id, "local")
        time.sleep(1)
        self.assertEqual((self.state(task_id), self.asked(cloud, "openai")), ("QUEUED", 0))
        sim, name = self.endpoint()
        self.again(task_id)
        self.assertEqual(self.await_state(task_id, "SUCCEEDED").result.usage.endpoint, name)
        # Not as a fallback either.
        sim.sim("PUT", "faults", [{"kind": "500"}])
        task = self.await_end(self.submit("another secret", local_only=True, retry_policy=ONCE))
        self.assertEqual(stubs.task.TaskState.Name(task.state), "TASK_STATE_DEAD_LETTER")
        self.assertEqual(self.asked(cloud, "openai"), 0)


class OutageTest(LlmTest):
    # The minute of the real thing, in the proportion of the cooldown.
    OUTAGE = 6.0

    def test_an_outage_is_served_by_the_chain_and_the_dead_endpoint_is_left_alone(self):
        self.price()
        sims = [self.endpoint()[0] for _ in range(2)]
        stop, tasks, failures = threading.Event(), [], []

        def steady(index):
            number = 0
            while not stop.is_set():
                try:
                    tasks.append(self.submit(f"steady {index} {number}"))
                except Exception as failure:
                    failures.append(failure)
                number += 1
                time.sleep(0.4)

        threads = [threading.Thread(target=steady, args=(index,), daemon=True) for index in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(tasks) > 4, "the load")
        # It answers, and everything it answers is a failure: what reaches it can be counted.
        dead = sims[0]
        name = next(endpoint.spec.name for endpoint in self.registry.ListEndpoints().endpoints
                    if endpoint.spec.url == dead.url)
        dead.sim("PUT", "faults", [{"kind": "500", "on": "all"}])
        self.await_endpoint(name, "OPEN")
        dead.sim("DELETE", "requests")
        begin = time.monotonic()
        time.sleep(self.OUTAGE)
        requests = dead.sim("GET", "requests")
        took = time.monotonic() - begin
        probes = {round(each["at"], 1) for each in requests["requests"]}
        generated = self.asked(dead)
        self.assertEqual(generated, 0, f"no work reaches it: {requests['counts']}")
        self.assertLessEqual(len(probes), took / COOLDOWN + 1, requests["counts"])
        dead.sim("DELETE", "faults")
        self.await_endpoint(name, "HEALTHY", "BUSY", timeout=30)
        time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        ended = [self.await_state(task_id, "SUCCEEDED") for task_id in tasks]
        fallbacks = sum(1 for task in ended if task.result.usage.fallback_reason)
        print(f"{len(ended)} tasks, all served, {fallbacks} marked as fallbacks; {requests['counts']}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
