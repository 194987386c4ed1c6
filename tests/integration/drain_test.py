"""Stopping: a process that is told to stop ends in time and cleanly, whoever is connected."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

from agents import command  # noqa: E402
from client import CallError, Connection, retried  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

DEADLINE = 3.0


class DrainTest(StackTest):
    options = {"server": {"drain_deadline": "3s", "drain_delay": "500ms"}}

    def setUp(self):
        super().setUp()
        self.process = self.stack.add_queue()
        self.connection = Connection(self.process.address, self.stack.tokens["admin"])
        self.service = Connection(self.process.address, self.stack.tokens["service"])
        self.addCleanup(self.connection.close)
        self.addCleanup(self.service.close)

    def stop(self):
        """Exit code and seconds."""
        begin = time.monotonic()
        self.process.signal(signal.SIGTERM)
        code = self.process.process.wait(30)
        self.process.process = None
        return code, time.monotonic() - begin

    def test_open_streams_are_told_to_connect_again_and_the_process_ends_in_time(self):
        streams = [self.connection.tasks.WatchTasks().start() for _ in range(20)]
        streams += [self.service.ledger.WatchReady(shards=range(16)).start() for _ in range(5)]
        streams += [self.service.ledger.WatchDirectives().start() for _ in range(5)]
        for stream in streams[:25]:
            stream.wait_for(lambda messages: messages, "the first message")
        code, took = self.stop()
        self.assertEqual(code, 0)
        self.assertLess(took, DEADLINE + 3)
        for stream in streams:
            failure = stream.wait_closed(5)
            self.assertEqual((failure.code.name, failure.reason), ("UNAVAILABLE", "DRAINING"))

    def test_a_stream_that_nobody_reads_does_not_keep_the_process(self):
        for _ in range(10):
            self.connection.tasks.WatchTasks()
        self.connection.tasks.SubmitTask(spec=command())
        code, took = self.stop()
        self.assertEqual(code, 0)
        self.assertLess(took, DEADLINE + 3)

    def test_readiness_goes_first(self):
        unready = []

        def look():
            with Connection(self.process.address) as other:
                while self.process.process is not None:
                    if other.serving("") and not other.serving("switchyard.ready"):
                        unready.append(True)
                        return
                    time.sleep(0.01)
        thread = threading.Thread(target=look)
        thread.start()
        self.assertEqual(self.stop()[0], 0)
        thread.join()
        self.assertTrue(unready)

    def test_what_was_answered_while_it_drained_is_stored(self):
        made, stop = [], threading.Event()

        def submit():
            while not stop.is_set():
                try:
                    made.append(self.connection.tasks.SubmitTask(spec=command(project=self.project)).task_id)
                except CallError as failure:
                    if failure.code.name != "UNAVAILABLE":
                        raise
                    return
        threads = [threading.Thread(target=submit) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(made) > 50, "some tasks")
        code, took = self.stop()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(code, 0)
        self.assertLess(took, DEADLINE + 3)
        self.assertEqual({self.get(task_id).id for task_id in made}, set(made))

    def test_a_client_that_retries_does_not_notice_a_restart(self):
        code, _ = self.stop()
        self.assertEqual(code, 0)
        self.process.start()
        answer = retried(lambda: self.connection.tasks.SubmitTask(request_id=self.project, spec=command()))
        self.assertEqual(self.state(answer.task_id), "QUEUED")

    def test_a_second_signal_ends_it_at_once(self):
        self.connection.tasks.WatchTasks().start()
        self.process.signal(signal.SIGTERM)
        time.sleep(0.2)
        begin = time.monotonic()
        self.process.signal(signal.SIGTERM)
        self.process.process.wait(30)
        self.process.process = None
        self.assertLess(time.monotonic() - begin, 2)


if __name__ == "__main__":
    unittest.main()
