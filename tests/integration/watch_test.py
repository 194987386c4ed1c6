"""Watching: nothing missed, nothing twice, whatever happens to the stream."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import base64  # noqa: E402

import stubs  # noqa: E402
from agents import command  # noqa: E402
from client import in_threads  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

task = stubs.task
SUBMITTED = task.EVENT_KIND_SUBMITTED


def ids(messages):
    return [event.task_id for message in messages for event in message.events]


def keys(messages):
    return [(event.task_id, event.ordinal) for message in messages for event in message.events]


class WatchTest(StackTest):
    def watch(self, **fields):
        return self.tasks.WatchTasks(**{"projects": [self.project], **fields})

    def ready(self, stream):
        """Waits for the first message: from then on nothing is missed."""
        stream.wait_for(lambda messages: messages, "the first token")
        return stream

    def test_the_whole_life_of_a_task_is_told_in_order(self):
        agent = self.agent()
        with self.watch() as stream:
            self.ready(stream)
            task_id = self.submit()
            agent.finish(task_id, agent.take(task_id))
            stream.wait_for(lambda messages: len(ids(messages)) >= 4, "four events")
            events = [event for message in stream.messages for event in message.events]
        self.assertEqual([task.EventKind.Name(event.kind)[11:] for event in events],
                         ["SUBMITTED", "ASSIGNED", "ACCEPTED", "FINISHED"])
        self.assertEqual([event.ordinal for event in events], [1, 2, 3, 4])
        self.assertEqual({event.project for event in events}, {self.project})
        stored = self.tasks.ListTaskEvents(task_id=task_id).events
        self.assertEqual(list(stored), events)

    def test_a_watch_without_a_token_begins_now(self):
        with self.watch() as former:
            self.ready(former)
            before = self.submit()
            former.wait_for(lambda messages: ids(messages) == [before], "the event to be published")
        with self.watch() as stream:
            self.ready(stream)
            after = self.submit()
            stream.wait_for(lambda messages: ids(messages), "an event")
        self.assertEqual(ids(stream.messages), [after])
        self.assertNotIn(before, ids(stream.messages))

    def test_resuming_from_each_token_gives_exactly_what_came_after(self):
        with self.watch() as stream:
            self.ready(stream)
            for _ in range(10):
                self.submit()
            stream.wait_for(lambda messages: len(ids(messages)) == 10, "ten events")
        whole = stream.messages
        for index in range(0, len(whole), 2):
            rest = keys(whole[index + 1:])
            with self.watch(resume_token=whole[index].resume_token) as again:
                again.wait_for(lambda messages: len(keys(messages)) >= len(rest), "the rest")
                self.assertEqual(keys(again.messages), rest)

    def test_many_streams_broken_under_load_miss_nothing_and_repeat_nothing(self):
        with self.watch() as first:
            self.ready(first)
        start = first.messages[0].resume_token
        wanted = 300

        def follow(index):
            seen, token = [], start
            while len(seen) < wanted:
                with self.watch(resume_token=token) as stream:
                    # Cut off after a little while, at a moment that differs from stream to stream.
                    stream.wait_for(lambda messages: len(keys(messages)) >= min(20 + 7 * index, wanted - len(seen)),
                                    "events")
                taken = [message for message in stream.messages if message.resume_token]
                seen += keys(taken)
                token = taken[-1].resume_token
            return seen

        def work(index):
            if index < 8:
                return follow(index)
            return [self.submit() for _ in range(75)]

        results = in_threads(12, work)
        submitted = sorted(task_id for made in results[8:] for task_id in made)
        for seen in results[:8]:
            self.assertEqual(sorted(task_id for task_id, _ in seen), submitted)
            self.assertEqual(seen, results[0])

    def test_only_what_was_asked_for_is_told(self):
        agent = self.agent()
        mine, other = self.submit(), self.submit()
        with self.tasks.WatchTasks(task_ids=[mine]) as by_id, self.watch(kinds=[task.EVENT_KIND_FINISHED]) as by_kind, \
                self.tasks.WatchTasks(projects=["elsewhere"]) as nothing, self.tasks.WatchTasks() as everything:
            for stream in (by_id, by_kind, nothing, everything):
                self.ready(stream)
            agent.finish(mine, agent.take(mine))
            agent.finish(other, agent.take(other))
            everything.wait_for(lambda messages: len(ids(messages)) >= 6, "all events")
            by_id.wait_for(lambda messages: len(ids(messages)) >= 3, "the events of one task")
            by_kind.wait_for(lambda messages: len(ids(messages)) >= 2, "the ends")
        self.assertEqual(set(ids(by_id.messages)), {mine})
        self.assertEqual(ids(by_kind.messages), [mine, other])
        self.assertEqual(ids(nothing.messages), [])

    def test_a_filtered_watch_that_sees_nothing_still_moves_its_token_on(self):
        with self.tasks.WatchTasks(projects=["elsewhere"]) as stream:
            self.ready(stream)

            def moved():
                self.submit()
                return len(stream.messages) > 1
            wait_until(moved, "another token", timeout=20, every=0.1)
        self.assertNotEqual(stream.messages[-1].resume_token, stream.messages[0].resume_token)
        self.assertEqual(ids(stream.messages), [])
        with self.watch(resume_token=stream.messages[-1].resume_token) as again:
            last = self.submit()
            again.wait_for(lambda messages: last in ids(messages), "the last event")

    def test_bad_tokens_and_filters_are_refused(self):
        def error(**fields):
            stream = self.tasks.WatchTasks(**fields).start()
            return stream.wait_closed()
        for token in ("nonsense", "%%%", base64.urlsafe_b64encode(b"a:b:c").decode(),
                      base64.urlsafe_b64encode(b"a:1").decode()):
            failure = error(resume_token=token)
            self.assertEqual((failure.reason, failure.code.name), ("RESUME_TOKEN_INVALID", "INVALID_ARGUMENT"))
        for fields, name in (({"task_ids": ["x"]}, "task_ids[0]"), ({"projects": ["NO"]}, "projects[0]"),
                             ({"kinds": [99]}, "kinds[0]"), ({"resume_token": "x" * 2000}, "resume_token")):
            failure = error(**fields)
            self.assertEqual((failure.reason, failure.fields), ("INVALID_FIELD", [name]))

    def test_a_token_of_another_life_of_the_database_has_expired(self):
        with self.watch() as stream:
            self.ready(stream)
        _, transaction, sequence = base64.urlsafe_b64decode(stream.messages[0].resume_token + "==").split(b":")
        foreign = base64.urlsafe_b64encode(b":".join((b"01900000-0000-7000-8000-000000000000", transaction, sequence)))
        failure = self.tasks.WatchTasks(resume_token=foreign.decode().rstrip("=")).start().wait_closed()
        self.assertEqual((failure.reason, failure.code.name), ("RESUME_TOKEN_EXPIRED", "OUT_OF_RANGE"))

    def test_a_token_beyond_what_the_database_gave_out_has_expired(self):
        with self.watch() as stream:
            self.ready(stream)
        incarnation = base64.urlsafe_b64decode(stream.messages[0].resume_token + "==").split(b":")[0]
        beyond = base64.urlsafe_b64encode(incarnation + b":9000000000000000000:0").decode().rstrip("=")
        failure = self.tasks.WatchTasks(resume_token=beyond).start().wait_closed()
        self.assertEqual((failure.reason, failure.code.name), ("RESUME_TOKEN_EXPIRED", "OUT_OF_RANGE"))

    def test_a_token_older_than_what_is_stored_has_expired(self):
        with self.watch() as stream:
            self.ready(stream)
            self.submit()
            self.submit()
            stream.wait_for(lambda messages: len(ids(messages)) == 2, "both events")
        # As retention does before it drops events.
        self.stack.postgres.sql("UPDATE task_queue.event_horizon SET (xid, seq) = "
                                "(SELECT xid, seq FROM task_queue.event_log ORDER BY xid DESC, seq DESC LIMIT 1)")
        try:
            failure = self.tasks.WatchTasks(resume_token=stream.messages[0].resume_token).start().wait_closed()
            self.assertEqual((failure.reason, failure.code.name), ("RESUME_TOKEN_EXPIRED", "OUT_OF_RANGE"))
            with self.watch(resume_token=stream.messages[-1].resume_token) as again:
                self.ready(again)
        finally:
            self.stack.postgres.sql("UPDATE task_queue.event_horizon SET (xid, seq) = ('0', 0)")

    def test_a_slow_watcher_is_cut_off_and_resumes_from_its_last_token(self):
        agent, given = self.agent(), []
        request = stubs.queue.SubmitTaskRequest(spec=command(project=self.project))
        for _ in range(4):
            made = [result.task.task_id for result in self.tasks.SubmitTasks(tasks=[request] * 1000).results]
            given += self.ledger.AssignTasks(assignments=[agent.assignment(task_id) for task_id in made]).results
        self.assertFalse(any(result.error.reason for result in given))
        slow = self.stack.connect("admin", options=[("grpc.http2.bdp_probe", 0)]).tasks
        with self.watch() as quick:
            self.ready(quick)
            stuck = slow.WatchTasks(projects=[self.project], resume_token=quick.messages[0].resume_token)
            # 16 MiB, twice what is kept for a watcher; each report also accepts.
            for begin in range(0, len(given), 250):
                reports = [stubs.ledger.TaskReport(
                    task_id=result.task_id, generation=result.generation, agent_id=agent.name,
                    session_epoch=agent.epoch, blocked=stubs.ledger.BlockedReport(question="?" * 4000))
                    for result in given[begin:begin + 250]]
                answers = self.ledger.ReportTasks(reports=reports).results
                self.assertFalse(any(answer.error.reason for answer in answers))
            wanted = 2 * len(given)
            quick.wait_for(lambda messages: len(keys(messages)) >= wanted, "all events", timeout=60)
            # One that reads again in time is told why; one that never does is cancelled.
            failure = stuck.start().wait_closed(timeout=30)
        self.assertEqual((failure.reason, failure.code.name), ("WATCH_TOO_SLOW", "RESOURCE_EXHAUSTED"), failure)
        self.assertGreater(failure.retry_after, 0)
        seen = keys(stuck.messages)
        token = (stuck.messages or quick.messages[:1])[-1].resume_token
        self.assertLess(len(seen), wanted)
        with self.watch(resume_token=token) as again:
            again.wait_for(lambda messages: len(keys(messages)) + len(seen) >= wanted, "the rest", timeout=60)
        # Events of the last assignments may come too, so one of the two may have heard a little more at its end.
        resumed, whole = seen + keys(again.messages), keys(quick.messages)
        common = min(len(resumed), len(whole))
        self.assertGreaterEqual(common, wanted)
        self.assertEqual(resumed[:common], whole[:common])

    def test_hundreds_of_watchers_of_one_process_are_served_and_leave(self):
        streams = []
        try:
            channels = [self.stack.connect("read").tasks for _ in range(20)]
            for index in range(400):
                streams.append(channels[index % 20].WatchTasks(projects=[self.project]).start())
            for stream in streams:
                self.ready(stream)
            task_id = self.submit()
            for stream in streams:
                stream.wait_for(lambda messages: task_id in ids(messages), "the event")
        finally:
            for stream in streams:
                stream.call.cancel()
        self.submit()


class RestoreTest(StackTest):
    def test_after_a_restore_former_tokens_have_expired_and_new_ones_resume(self):
        postgres, queue = self.stack.postgres, self.stack.queues[0]
        with self.tasks.WatchTasks() as stream:
            stream.wait_for(lambda messages: messages, "the first token")
            self.submit()
            stream.wait_for(ids, "an event")
            former = stream.messages[-1].resume_token
        self.assertEqual(queue.stop(), 0)
        # As a dump of another cluster leaves it: its life, and a horizon far beyond what this cluster has given out.
        postgres.sql("UPDATE task_queue.incarnation SET life = 'elsewhere', system_identifier = '1'")
        postgres.sql("UPDATE task_queue.event_horizon SET xid = '9000000000', seq = 1")
        queue.start()
        failure = self.tasks.WatchTasks(resume_token=former).start().wait_closed()
        self.assertEqual((failure.reason, failure.code.name), ("RESUME_TOKEN_EXPIRED", "OUT_OF_RANGE"))
        with self.tasks.WatchTasks() as stream:
            stream.wait_for(lambda messages: messages, "the first token")
            token = stream.messages[0].resume_token
            task_id = self.submit()
            stream.wait_for(lambda messages: task_id in ids(messages), "the event")
        with self.tasks.WatchTasks(resume_token=token) as again:
            again.wait_for(lambda messages: task_id in ids(messages), "the event again")


class WatcherBoundTest(StackTest):
    options = {"settings": {"limits": {"max_watchers": 3}}}

    def test_more_watchers_than_the_bound_are_refused_until_one_leaves(self):
        streams = [self.tasks.WatchTasks().start() for _ in range(3)]
        for stream in streams:
            stream.wait_for(lambda messages: messages, "the first token")
        failure = self.tasks.WatchTasks().start().wait_closed()
        self.assertEqual((failure.reason, failure.code.name), ("TOO_MANY_WATCHERS", "RESOURCE_EXHAUSTED"))
        self.assertGreater(failure.retry_after, 0)
        streams[0].cancel()

        def admitted():
            stream = self.tasks.WatchTasks().start()
            if stream.closed.wait(0.2):
                return None
            return stream
        streams.append(wait_until(admitted, "a free place"))
        for stream in streams[1:]:
            stream.cancel()


if __name__ == "__main__":
    unittest.main()
