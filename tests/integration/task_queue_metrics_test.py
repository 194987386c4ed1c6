"""What operators see of the task queue: each number moves when what it counts happens, whoever did it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from client import CallError, in_threads  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

Selection = stubs.queue.TaskSelection
PREFIX = "switchyard_task_queue_"


class MetricsTest(StackTest):
    options = {"settings": {"time": {"accept": "1s", "sweep_interval": "20ms"},
                            "retry": {"loss_cooldown": ["0s", "600s"]}}}

    def value(self, name, **labels):
        """Of all series with these labels together; 0 before the first."""
        wanted = [f'{key}="{label}"' for key, label in labels.items()]
        return sum(value for series, value in self.stack.queues[0].metrics().items()
                   if series.partition("{")[0] == PREFIX + name and all(label in series for label in wanted))

    def await_value(self, wanted, name, **labels):
        wait_until(lambda: self.value(name, **labels) == wanted, f"{name}{labels} to be {wanted}", timeout=20, every=0.1)

    def test_depth_by_lane_and_stage_follows_the_tasks(self):
        stages = ("ready", "held", "running", "judging", "dead", "done")
        lanes = {"urgent": stubs.spec.LANE_URGENT, "low": stubs.spec.LANE_LOW}

        def depths():
            return {(lane, stage): self.value("depth", lane=lane, stage=stage) for lane in lanes for stage in stages}
        self.submit()
        wait_until(lambda: self.value("depth"), "the first counts")
        before = depths()
        agent = self.agent()
        self.submit(lane=lanes["low"])
        self.tasks.PauseQueue(target=stubs.queue.QueueTarget(task_id=self.submit(lane=lanes["low"])))
        agent.take(self.submit(lane=lanes["urgent"]))
        judged = self.submit(lane=lanes["urgent"], verdict_policy=stubs.spec.VERDICT_POLICY_REQUIRED)
        agent.finish(judged, agent.take(judged))
        dead = self.submit(lane=lanes["urgent"])
        agent.fail(dead, agent.take(dead), permanent=True)
        done = self.submit(lane=lanes["urgent"])
        agent.finish(done, agent.take(done))
        more = {("low", "ready"): 1, ("low", "held"): 1, ("urgent", "running"): 1, ("urgent", "judging"): 1,
                ("urgent", "dead"): 1, ("urgent", "done"): 1}
        wanted = {key: value + more.get(key, 0) for key, value in before.items()}
        wait_until(lambda: depths() == wanted, "the depths", timeout=20, every=0.1)

    def test_the_age_of_the_oldest_ready_task_grows_until_it_is_taken(self):
        agent, task_id = self.agent(), self.submit(lane=stubs.spec.LANE_HIGH)
        wait_until(lambda: self.value("oldest_seconds", lane="high") > 0.5, "an age", timeout=20, every=0.1)
        first = self.value("oldest_seconds", lane="high")
        wait_until(lambda: self.value("oldest_seconds", lane="high") > first, "a greater age", timeout=20, every=0.1)
        agent.take(task_id)
        self.await_value(0, "oldest_seconds", lane="high")

    def test_latencies_and_batches_are_counted_by_operation(self):
        names = ("submit", "assign", "report")

        def batches(name):
            # The lanes of submissions are more than one.
            return sum(value for series, value in self.stack.queues[0].metrics().items()
                       if series.startswith(f'{PREFIX}batch_size_count{{lane="{name}'))
        before = {name: (self.value("operation_seconds_count", operation=name), batches(name)) for name in names}
        agent = self.agent()
        for _ in range(3):
            task_id = self.submit()
            generation = agent.assign(task_id).generation
            agent.expect(agent.accept(task_id, generation))
        for name in names:
            self.assertEqual(self.value("operation_seconds_count", operation=name), before[name][0] + 3, name)
            self.assertGreater(self.value("operation_seconds_sum", operation=name), 0, name)
            self.assertEqual(batches(name), before[name][1] + 3, name)
        self.assertGreater(self.value("batch_seconds_count"), 0)

    def test_retries_losses_and_dead_letters_are_counted_whoever_caused_them(self):
        before = {name: self.value(name) for name in ("retries_total", "losses_total", "dead_letters_total")}
        agent = self.agent()
        # The sweeper: not accepted in time, then run for too long, which is charged.
        lost = self.submit()
        agent.assign(lost)
        self.await_state(lost, "QUEUED")
        self.assertEqual(self.value("losses_total"), before["losses_total"] + 1)
        slow = self.submit(time_limits={"run": {"nanos": 300_000_000}})
        agent.take(slow)
        self.await_state(slow, "QUEUED")
        self.assertEqual(self.value("retries_total"), before["retries_total"] + 1)
        # A verdict that never came.
        unjudged = self.submit(verdict_policy=stubs.spec.VERDICT_POLICY_REQUIRED,
                               time_limits={"verification": {"nanos": 300_000_000}})
        agent.finish(unjudged, agent.take(unjudged))
        self.await_state(unjudged, "DEAD_LETTER")
        self.assertEqual(self.value("dead_letters_total"), before["dead_letters_total"] + 1)
        # A session that begins anew without what its former one held.
        forgotten = self.submit()
        agent.take(forgotten)
        agent.open(restarted=True)
        self.await_state(forgotten, "QUEUED")
        self.assertEqual(self.value("losses_total"), before["losses_total"] + 2)
        # And a report, once and not twice.
        failed = self.submit()
        agent.fail(failed, agent.take(failed), permanent=True)
        self.assertEqual(self.value("dead_letters_total"), before["dead_letters_total"] + 2)

    def test_what_is_refused_is_counted_by_its_reason(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        before = self.value("refused_total", reason="STALE_GENERATION")
        self.refused(agent.finish(task_id, generation + 1), "STALE_GENERATION")
        self.assertEqual(self.value("refused_total", reason="STALE_GENERATION"), before + 1)
        [result] = self.tasks.RetryTasks(selection=Selection(task_ids=[task_id])).results
        self.refused(result, "WRONG_STATE")
        self.assertEqual(self.value("refused_total", reason="WRONG_STATE"), 1)

    def test_watchers_their_lag_the_cache_and_the_pool_are_shown(self):
        with self.tasks.WatchTasks() as stream:
            stream.wait_for(lambda messages: messages, "the first token")
            self.await_value(1, "watchers")
        self.await_value(0, "watchers")
        self.submit()
        wait_until(lambda: self.value("cached_tasks") > 0 and self.value("cached_bytes") > 0, "the cache", timeout=20)
        with self.stack.postgres.session() as session:
            # A writer that stays: everything behind it is kept from readers.
            session.run("BEGIN")
            session.run("SELECT pg_current_xact_id()")
            self.submit()
            wait_until(lambda: self.value("watch_lag_seconds") > 1, "the lag", timeout=30, every=0.2)
            session.run("COMMIT")
        wait_until(lambda: self.value("watch_lag_seconds") < 1, "the lag to end", timeout=30, every=0.2)
        series = {name.partition("{")[0] for name in self.stack.queues[0].metrics()}
        self.assertLessEqual({"switchyard_pg_sessions_in_use", "switchyard_pg_waiting"}, series)


class FullQueueTest(StackTest):
    options = {"settings": {"batch": {"max": 1, "queue_bound": 2}}}

    def test_more_than_may_wait_are_refused_and_asked_to_come_again(self):
        with self.stack.postgres.session() as session:
            session.run("BEGIN")
            session.run("LOCK TABLE task_queue.ready IN ACCESS EXCLUSIVE MODE")

            def submit(index):
                try:
                    return self.submit(request_id=f"{self.project}-{index}", timeout_of_call=3.0)
                except CallError as error:
                    return error
            outcomes = in_threads(24, submit)
            session.run("COMMIT")
        reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, CallError)]
        self.assertIn("QUEUE_FULL", reasons)
        full = next(outcome for outcome in outcomes
                    if isinstance(outcome, CallError) and outcome.reason == "QUEUE_FULL")
        self.assertEqual(full.code.name, "RESOURCE_EXHAUSTED")
        self.assertGreater(full.retry_after, 0)
        wait_until(lambda: self.submit_or_none(), "the queue to take tasks again")

    def submit(self, *argv, timeout_of_call=None, request_id="", **fields):
        if timeout_of_call is None:
            return super().submit(*argv, request_id=request_id, **fields)
        spec = stubs.spec.TaskSpec(command=stubs.spec.Command(argv=["true"]), project=self.project)
        return self.tasks.SubmitTask(request_id=request_id, spec=spec, timeout=timeout_of_call).task_id

    def submit_or_none(self):
        try:
            return self.submit()
        except CallError:
            return None


if __name__ == "__main__":
    unittest.main()
