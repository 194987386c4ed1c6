"""What waits for the database when its caller's deadline passes is never written; what the database has is finished."""

import contextlib
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import command  # noqa: E402
from client import CallError, in_threads, retried  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

LATE = 64
PATIENCE = 0.5


class CallerDeadlineTest(StackTest):
    @contextlib.contextmanager
    def stalled_behind(self, lane, first):
        """Postgres stands still with the batch of `first` in its hands; goes on once every impatient caller has left, by the
        server's reckoning too, which begins with the arrival of the call."""
        postgres = self.stack.postgres
        with postgres.session() as holder:
            holder.run("BEGIN")
            holder.run("LOCK TABLE task_queue.ready IN ACCESS EXCLUSIVE MODE")
            thread = threading.Thread(target=first)
            thread.start()
            try:
                wait_until(lambda: postgres.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                                  f"AND application_name LIKE '%/{lane}'") == "1",
                           "the first batch to be with the database")
                postgres.stall()
                yield
                time.sleep(1)
            finally:
                postgres.resume()
                holder.run("ROLLBACK")
                thread.join()

    def leaves(self, call):
        with self.assertRaises(CallError) as caught:
            call()
        self.assertEqual(caught.exception.code.name, "DEADLINE_EXCEEDED")

    def titles(self):
        page = self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project]), page_size=200)
        return sorted(task.spec.title for task in page.tasks)

    def test_what_its_callers_gave_up_is_not_stored_later(self):
        def submit(title, timeout):
            return self.tasks.SubmitTask(spec=command(project=self.project, title=title), timeout=timeout)

        submit("before", 20)
        with self.stalled_behind("submit", lambda: submit("begun", 20)):
            in_threads(LATE, lambda index: self.leaves(lambda: submit(f"late {index}", PATIENCE)))
            waiter = threading.Thread(target=lambda: submit("patient", 20))
            waiter.start()
        waiter.join()
        # The lane keeps its order, so all that came before has been dealt with.
        submit("after", 20)
        self.assertEqual(self.titles(), ["after", "before", "begun", "patient"])

    def test_a_batch_is_stored_in_no_part_when_its_caller_left_before_it_was_begun(self):
        def submit(title, timeout, count=1):
            tasks = [stubs.queue.SubmitTaskRequest(spec=command(project=self.project, title=f"{title} {number}"))
                     for number in range(count)]
            return self.tasks.SubmitTasks(tasks=tasks, timeout=timeout)

        with self.stalled_behind("submit", lambda: submit("begun", 20)):
            self.leaves(lambda: submit("late", PATIENCE, count=100))
        submit("after", 20)
        self.assertEqual(self.titles(), ["after 0", "begun 0"])

    def test_a_change_that_its_caller_gave_up_is_not_made_later(self):
        begun, late, after = self.submit(), self.submit(), self.submit()

        def cancel(task_id, timeout):
            return self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]), timeout=timeout)

        with self.stalled_behind("control", lambda: cancel(begun, 20)):
            self.leaves(lambda: cancel(late, PATIENCE))
            self.leaves(lambda: self.tasks.PauseQueue(target=stubs.queue.QueueTarget(task_id=late), timeout=PATIENCE))
        retried(lambda: cancel(after, 20))
        self.assertEqual([self.state(task_id) for task_id in (begun, late, after)], ["CANCELLED", "QUEUED", "CANCELLED"])
        self.assertEqual(self.hold(late), "NONE")


if __name__ == "__main__":
    unittest.main()
