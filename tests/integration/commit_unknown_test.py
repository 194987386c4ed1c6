"""A commit of which nobody can say what became of it is told as just that, and repeating it under its id is safe."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import threading  # noqa: E402

from client import CallError, retried  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402


class CommitUnknownTest(StackTest):
    def test_a_server_that_dies_between_the_commit_and_its_answer(self):
        postgres, queue = self.stack.postgres, self.stack.queues[0]
        # Commits are written and then wait for a standby that never comes.
        postgres.sql("ALTER DATABASE switchyard SET synchronous_commit = on")
        self.assertEqual(queue.stop(), 0)
        queue.start()
        retried(lambda: self.submit(request_id=f"{self.project}-first"))
        postgres.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        postgres.sql("SELECT pg_reload_conf()")
        failures = []

        def submit():
            try:
                self.submit(request_id=f"{self.project}-once")
            except CallError as error:
                failures.append(error)
        thread = threading.Thread(target=submit)
        thread.start()
        wait_until(lambda: postgres.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' "
                                        "AND application_name LIKE '%/submit%'"), "the commit to wait")
        postgres.sql("ALTER SYSTEM RESET synchronous_standby_names")
        postgres.stop_immediately()
        postgres.start()
        thread.join()
        [failure] = failures
        self.assertEqual((failure.reason, failure.code.name), ("COMMIT_UNKNOWN", "UNAVAILABLE"), failure)

        again = retried(lambda: self.submit(request_id=f"{self.project}-once"))
        self.assertEqual(retried(lambda: self.submit(request_id=f"{self.project}-once")), again)
        stored = postgres.value(f"SELECT count(*) FROM task_queue.task WHERE project = '{self.project}'")
        self.assertEqual(stored, "2")


if __name__ == "__main__":
    unittest.main()
