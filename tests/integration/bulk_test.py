"""Cancel, retry and discard: by ids and by filter, counted before, answered item by item."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import command  # noqa: E402
from stack import StackTest  # noqa: E402

Filter, Selection = stubs.queue.TaskFilter, stubs.queue.TaskSelection
NEVER = "01900000-0000-7000-8000-000000000000"


class BulkTest(StackTest):
    def mine(self, **filters):
        return Filter(projects=[self.project], **filters)

    def dead(self, count=1, model=""):
        agent, ids = self.agent(), []
        for _ in range(count):
            ids.append(self.submit())
            agent.fail(ids[-1], agent.take(ids[-1]), permanent=True, usage=stubs.task.Usage(model=model))
            self.assertEqual(self.state(ids[-1]), "DEAD_LETTER")
        return ids

    def reasons(self, answer):
        return [result.error.reason for result in answer.results]

    def test_waiting_tasks_are_cancelled_at_once(self):
        ids = [self.submit() for _ in range(3)]
        answer = self.tasks.CancelTasks(selection=Selection(task_ids=ids), reason="not needed")
        self.assertEqual((answer.matched, self.reasons(answer)), (3, ["", "", ""]))
        self.assertEqual([result.task_id for result in answer.results], ids)
        task = self.get(ids[0])
        self.assertEqual(task.state, stubs.task.TASK_STATE_CANCELLED)
        self.assertEqual((task.failure.reason, task.failure.message), ("CANCELLED", "not needed"))
        self.assertEqual(self.events(ids[0])[-1], ("FINISHED", "CANCELLED"))

    def test_cancelling_twice_is_the_same_as_once(self):
        task_id = self.submit()
        for _ in range(2):
            self.assertEqual(self.reasons(self.tasks.CancelTasks(selection=Selection(task_ids=[task_id]))), [""])
        self.assertEqual([kind for kind, _ in self.events(task_id)].count("FINISHED"), 1)

    def test_each_item_is_answered_by_itself(self):
        agent, done, waiting = self.agent(), self.submit(), self.submit()
        agent.finish(done, agent.take(done))
        answer = self.tasks.CancelTasks(selection=Selection(task_ids=[done, NEVER, waiting]))
        self.assertEqual(self.reasons(answer), ["WRONG_STATE", "TASK_NOT_FOUND", ""])
        self.assertEqual(self.state(done), "SUCCEEDED")

    def test_a_repeated_id_counts_once(self):
        task_id = self.submit()
        self.assertEqual(self.tasks.CancelTasks(selection=Selection(task_ids=[task_id, task_id])).matched, 1)

    def test_a_filter_needs_the_true_count(self):
        ids = [self.submit() for _ in range(4)]
        failure = self.fails("COUNT_CHANGED", self.tasks.CancelTasks,
                             selection=Selection(filter=self.mine(), expected_count=3), code="FAILED_PRECONDITION")
        self.assertEqual((failure.metadata["actual_count"], failure.metadata["expected_count"]), ("4", "3"))
        self.assertEqual({self.state(task_id) for task_id in ids}, {"QUEUED"})
        answer = self.tasks.CancelTasks(selection=Selection(filter=self.mine(), expected_count=4))
        self.assertEqual((answer.matched, self.reasons(answer)), (4, [""] * 4))
        self.assertEqual({self.state(task_id) for task_id in ids}, {"CANCELLED"})

    def test_a_dry_run_counts_and_changes_nothing(self):
        ids = [self.submit() for _ in range(3)]
        answer = self.tasks.CancelTasks(selection=Selection(filter=self.mine(), expected_count=0), dry_run=True)
        self.assertEqual((answer.matched, len(answer.results)), (3, 0))
        self.assertEqual({self.state(task_id) for task_id in ids}, {"QUEUED"})

    def test_selections_are_checked(self):
        for call in (self.tasks.CancelTasks, self.tasks.RetryTasks, self.tasks.DiscardDeadLetters):
            for selection, field in ((None, "selection"), (Selection(), "selection"),
                                     (Selection(task_ids=[NEVER], filter=Filter(), expected_count=1), "selection"),
                                     (Selection(filter=Filter()), "selection.expected_count"),
                                     (Selection(task_ids=["x"]), "selection.task_ids[0]"),
                                     (Selection(task_ids=[NEVER] * 1001), "selection.task_ids"),
                                     (Selection(filter=Filter(), expected_count=10_001), "selection.expected_count")):
                with self.subTest(field=field):
                    fields = self.fails("INVALID_FIELD", call, selection=selection).fields
                    self.assertEqual(fields, [field])

    def test_more_than_ten_thousand_are_refused(self):
        request = stubs.queue.SubmitTaskRequest(spec=command(project=self.project))
        for _ in range(10):
            self.tasks.SubmitTasks(tasks=[request] * 1000)
        self.submit()
        failure = self.fails("SELECTION_TOO_LARGE", self.tasks.CancelTasks, code="FAILED_PRECONDITION",
                             selection=Selection(filter=self.mine(), expected_count=10_000))
        self.assertEqual(failure.metadata["bound"], "10000")
        [newest] = self.tasks.ListTasks(filter=self.mine(), page_size=1).tasks
        self.tasks.CancelTasks(selection=Selection(task_ids=[newest.id]))
        answer = self.tasks.CancelTasks(timeout=60, selection=Selection(filter=self.mine(), expected_count=10_000))
        self.assertEqual((answer.matched, set(self.reasons(answer))), (10_000, {""}))

    def test_dead_letters_are_listed_and_counted_by_model(self):
        before = dict(self.tasks.ListDeadLetters().count_by_model)
        plain, modelled = self.dead(2), self.dead(3, "qwen")
        answer = self.tasks.ListDeadLetters(filter=self.mine())
        self.assertEqual([task.id for task in answer.tasks], [*plain, *modelled][::-1])
        self.assertEqual({task.failure.reason for task in answer.tasks}, {"EXIT_STATUS"})
        self.assertEqual(answer.count_by_model["qwen"] - before.get("qwen", 0), 3)
        self.assertEqual(answer.count_by_model[""] - before.get("", 0), 2)
        first = self.tasks.ListDeadLetters(filter=self.mine(), page_size=3)
        rest = self.tasks.ListDeadLetters(filter=self.mine(), page_size=3, page_token=first.next_page_token)
        self.assertEqual(len(first.tasks) + len(rest.tasks), 5)
        self.assertFalse({task.id for task in first.tasks} & {task.id for task in rest.tasks})

    def test_a_dead_letter_is_retried_with_attempts_anew(self):
        [task_id] = self.dead()
        generation = self.get(task_id).generation
        self.assertEqual(self.reasons(self.tasks.RetryTasks(selection=Selection(task_ids=[task_id]))), [""])
        task = self.get(task_id)
        self.assertEqual((task.state, task.hold_reason, task.attempts),
                         (stubs.task.TASK_STATE_QUEUED, stubs.task.HOLD_REASON_NONE, 0))
        self.assertEqual(self.events(task_id)[-1], ("REVIVED", "RETRIED_BY_USER"))
        agent = self.agent()
        self.assertEqual(agent.take(task_id, generation), generation + 1)

    def test_a_filter_of_dead_letters_is_retried(self):
        ids = self.dead(3)
        self.submit()
        answer = self.tasks.RetryTasks(selection=Selection(filter=self.mine(), expected_count=3))
        self.assertEqual((answer.matched, self.reasons(answer)), (3, [""] * 3))
        self.assertEqual({self.state(task_id) for task_id in ids}, {"QUEUED"})

    def test_retrying_ends_a_backoff_and_nothing_else(self):
        agent, ids = self.agent(), [self.submit(retry_policy={"backoff": [{"seconds": 3600}]}) for _ in range(2)]
        agent.fail(ids[0], agent.take(ids[0]))
        self.assertEqual(self.hold(ids[0]), "BACKOFF")
        agent.take(ids[1])
        waiting = self.submit()
        answer = self.tasks.RetryTasks(selection=Selection(task_ids=[*ids, waiting]))
        self.assertEqual(self.reasons(answer), ["", "WRONG_STATE", ""])
        self.assertEqual(self.hold(ids[0]), "NONE")
        self.assertEqual(self.events(ids[0])[-1], ("READY", "RETRIED_BY_USER"))

    def test_a_dead_letter_is_discarded_for_good(self):
        ids = self.dead(2)
        answer = self.tasks.DiscardDeadLetters(selection=Selection(filter=self.mine(), expected_count=2), reason="old")
        self.assertEqual((answer.matched, self.reasons(answer)), (2, ["", ""]))
        self.assertEqual({self.state(task_id) for task_id in ids}, {"DISCARDED"})
        self.assertEqual(self.events(ids[0])[-1], ("FINISHED", "DISCARDED"))
        self.assertFalse(self.tasks.ListDeadLetters(filter=self.mine()).tasks)
        self.assertEqual(self.reasons(self.tasks.RetryTasks(selection=Selection(task_ids=ids))), ["WRONG_STATE"] * 2)
        again = self.tasks.DiscardDeadLetters(selection=Selection(task_ids=ids))
        self.assertEqual(self.reasons(again), ["", ""])

    def test_only_dead_letters_are_discarded(self):
        task_id = self.submit()
        answer = self.tasks.DiscardDeadLetters(selection=Selection(task_ids=[task_id]))
        self.assertEqual(self.reasons(answer), ["WRONG_STATE"])


if __name__ == "__main__":
    unittest.main()
