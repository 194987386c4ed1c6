"""Submitting: what is stored, what is refused, and what a repeat is answered."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import grpc  # noqa: E402

import stubs  # noqa: E402
from agents import Agent, Scheduler, command  # noqa: E402
from client import CallError, in_threads  # noqa: E402
from stack import StackTest  # noqa: E402

Request = stubs.queue.SubmitTaskRequest


class SubmitTest(StackTest):
    def spec(self, *argv, **fields):
        return command(*argv, **{"project": self.project, **fields})

    def test_a_task_is_stored_as_it_was_sent_with_the_defaults_filled_in(self):
        task_id = self.submit("make", "-j2", metadata={"team": "a"}, capabilities=["linux"], title="build it")
        task = self.get(task_id)
        self.assertEqual(list(task.spec.command.argv), ["make", "-j2"])
        self.assertEqual(dict(task.spec.metadata), {"team": "a"})
        self.assertEqual(task.spec.lane, stubs.spec.LANE_NORMAL)
        self.assertEqual(task.spec.schema_version, 1)
        self.assertEqual(task.spec.verdict_policy, stubs.spec.VERDICT_POLICY_NONE)
        self.assertEqual(task.state, stubs.task.TASK_STATE_QUEUED)
        self.assertEqual(task.hold_reason, stubs.task.HOLD_REASON_NONE)
        self.assertEqual((task.generation, task.attempts, task.losses), (0, 0, 0))
        self.assertEqual(self.events(task_id), [("SUBMITTED", "")])

    def test_the_trace_of_the_submission_is_kept(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        task_id = self.tasks.SubmitTask(spec=self.spec(), metadata=[("traceparent", trace)]).task_id
        self.assertIn("0af7651916cd43dd8448eb211c80319c", self.get(task_id).traceparent)

    def test_the_answer_names_the_moment_that_the_task_has(self):
        answer = self.tasks.SubmitTask(spec=self.spec())
        self.assertEqual(answer.create_time, self.get(answer.task_id).create_time)

    def test_every_kind_of_executable_is_taken(self):
        for spec in (stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction="write it")),
                     stubs.spec.TaskSpec(action=stubs.spec.Action(name="git/push", parameters_json='{"a": 1}')),
                     stubs.spec.TaskSpec(external=stubs.spec.External(agent="cli", instruction="do it"))):
            kind = spec.WhichOneof("executable")
            task = self.get(self.tasks.SubmitTask(spec=spec).task_id)
            self.assertEqual(task.spec.WhichOneof("executable"), kind)
            self.assertEqual(getattr(task.spec, kind), getattr(spec, kind))
            self.assertTrue(task.spec.title)

    def test_the_same_request_id_is_answered_as_the_first_time(self):
        first = self.tasks.SubmitTask(request_id=self.project, spec=self.spec("once"))
        again = self.tasks.SubmitTask(request_id=self.project, spec=self.spec("once"))
        self.assertFalse(first.replayed)
        self.assertTrue(again.replayed)
        self.assertEqual((again.task_id, again.create_time), (first.task_id, first.create_time))
        listed = self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project])).tasks
        self.assertEqual([task.id for task in listed], [first.task_id])

    def test_a_request_id_with_other_content_is_refused(self):
        self.submit("one", request_id=self.project)
        failure = self.fails("REQUEST_ID_REUSED", self.submit, "two", request_id=self.project, code="ALREADY_EXISTS")
        self.assertEqual(failure.metadata["request_id"], self.project)

    def test_the_same_content_is_the_same_in_whatever_order_its_map_was_written(self):
        pairs = [(f"k{number}", f"v{number}") for number in range(40)]
        first = self.submit("x", request_id=self.project, metadata=dict(pairs))
        self.assertEqual(self.submit("x", request_id=self.project, metadata=dict(reversed(pairs))), first)

    def test_request_ids_of_two_principals_do_not_meet(self):
        other = self.stack.connect("submit").tasks
        mine = self.submit("x", request_id=self.project)
        theirs = other.SubmitTask(request_id=self.project, spec=self.spec("y"))
        self.assertFalse(theirs.replayed)
        self.assertNotEqual(mine, theirs.task_id)

    def test_one_request_id_at_once_from_many_makes_one_task(self):
        answers = in_threads(32, lambda _: self.tasks.SubmitTask(request_id=self.project, spec=self.spec("x")))
        self.assertEqual(len({answer.task_id for answer in answers}), 1)
        self.assertEqual(sum(not answer.replayed for answer in answers), 1)

    def test_without_a_request_id_the_same_content_makes_two_tasks(self):
        self.assertNotEqual(self.submit("x"), self.submit("x"))

    def test_a_batch_is_answered_in_order_each_with_its_own_request_id(self):
        requests = [Request(request_id=f"{self.project}-{number}", spec=self.spec("true", title=f"n{number}"))
                    for number in range(100)]
        results = self.tasks.SubmitTasks(tasks=requests).results
        self.assertEqual([self.get(result.task.task_id).spec.title for result in results[::25]],
                         ["n0", "n25", "n50", "n75"])
        again = self.tasks.SubmitTasks(tasks=requests).results
        self.assertEqual([result.task.task_id for result in again], [result.task.task_id for result in results])
        self.assertTrue(all(result.task.replayed for result in again))

    def test_a_batch_of_the_bound_is_taken_and_one_more_refused(self):
        requests = [Request(spec=self.spec()) for _ in range(1000)]
        self.assertEqual(len({result.task.task_id for result in self.tasks.SubmitTasks(tasks=requests).results}), 1000)
        failure = self.fails("INVALID_FIELD", self.tasks.SubmitTasks, tasks=[*requests, requests[0]])
        self.assertEqual(failure.fields, ["tasks"])
        self.fails("INVALID_FIELD", self.tasks.SubmitTasks, code="INVALID_ARGUMENT")

    def test_one_bad_task_refuses_the_batch_with_its_index(self):
        requests = [Request(spec=self.spec()) for _ in range(5)]
        requests[3].spec.ClearField("command")
        failure = self.fails("INVALID_FIELD", self.tasks.SubmitTasks, tasks=requests)
        self.assertEqual(failure.fields, ["tasks[3].spec.executable"])
        self.assertFalse(self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project])).tasks)

    def test_a_used_request_id_refuses_only_its_own_item(self):
        self.submit("one", request_id=self.project)
        results = self.tasks.SubmitTasks(tasks=[Request(spec=self.spec("a")),
                                                Request(request_id=self.project, spec=self.spec("two")),
                                                Request(spec=self.spec("b"))]).results
        self.assertEqual([result.error.reason for result in results], ["", "REQUEST_ID_REUSED", ""])
        self.assertFalse(results[1].HasField("task"))

    def test_one_request_id_twice_in_a_batch_is_one_task(self):
        same = Request(request_id=self.project, spec=self.spec("a"))
        other = Request(request_id=self.project, spec=self.spec("b"))
        results = self.tasks.SubmitTasks(tasks=[same, same, other]).results
        self.assertEqual(results[0].task.task_id, results[1].task.task_id)
        self.assertEqual(results[2].error.reason, "REQUEST_ID_REUSED")

    def test_all_faults_are_named_at_once(self):
        spec = stubs.spec.TaskSpec(
            title="two\nlines", schema_version=99, lane=77, project="Not A Project", dependencies=[{}],
            parent_task_id="x", continues_task_id="y", concurrency_key="z", capabilities=["a\0b"],
            command=stubs.spec.Command(argv=["run", "a\0b"], working_directory="../out", environment={"1A": "v"}))
        spec.time_limits.run.seconds = 30 * 86400
        spec.retry_policy.max_attempts = 21
        spec.metadata[""] = "v"
        failure = self.fails("INVALID_FIELD", self.tasks.SubmitTask, spec=spec, request_id="r" * 129,
                             code="INVALID_ARGUMENT")
        wanted = {"request_id", "spec.title", "spec.schema_version", "spec.lane", "spec.project",
                  "spec.dependencies[0].task_id",
                  "spec.parent_task_id", "spec.continues_task_id", "spec.concurrency_key", "spec.capabilities[0]",
                  "spec.command.argv[1]", "spec.command.working_directory", 'spec.command.environment["1A"]',
                  "spec.time_limits.run", "spec.retry_policy.max_attempts", "spec.metadata"}
        self.assertLessEqual(wanted, set(failure.fields))

    def test_an_absent_specification_is_named(self):
        self.assertEqual(self.fails("INVALID_FIELD", self.tasks.SubmitTask).fields, ["spec"])

    def test_a_hundred_thousand_metadata_keys_are_refused_quickly(self):
        spec = self.spec(metadata={f"key-{number}": "v" for number in range(100_000)})
        failure = self.fails("INVALID_FIELD", self.tasks.SubmitTask, spec=spec, code="INVALID_ARGUMENT")
        self.assertIn("spec.metadata", failure.fields)
        self.assertLessEqual(len(failure.violations), 101)

    def test_a_hundred_thousand_faults_make_a_small_answer(self):
        spec = self.spec(metadata={f"bad\n{number}": "v\0" for number in range(100_000)},
                         capabilities=["x\0"] * 100_000)
        failure = self.fails("INVALID_FIELD", self.tasks.SubmitTask, spec=spec)
        self.assertLessEqual(len(failure.violations), 101)

    def test_a_specification_beyond_one_mebibyte_is_refused(self):
        big = {f"k{number}": "v" * 4096 for number in range(64)}
        spec = stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction="x" * (512 << 10), system="y" * (64 << 10)),
                                   description="z" * (64 << 10), metadata=big, project=self.project,
                                   success_criteria=["s" * 4096] * 64)
        self.assertIn("spec", self.fails("INVALID_FIELD", self.tasks.SubmitTask, spec=spec).fields)

    def test_a_specification_near_the_bound_is_taken(self):
        spec = stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction="x" * (512 << 10), system="y" * (64 << 10)),
                                   project=self.project, metadata={f"k{n}": "v" * 4096 for n in range(64)})
        task = self.get(self.tasks.SubmitTask(spec=spec).task_id)
        self.assertEqual(len(task.spec.prompt.instruction), 512 << 10)

    def test_a_message_beyond_the_servers_bound_is_refused(self):
        with self.assertRaises(CallError) as caught:
            self.tasks.SubmitTask(spec=self.spec(description="x" * (9 << 20)))
        self.assertEqual(caught.exception.code.name, "RESOURCE_EXHAUSTED")
        self.submit("still serves")

    def test_text_that_is_not_utf8_is_named(self):
        # A field of type bytes on the wire where the contract says string.
        raw = Request(spec=self.spec("QQQQ", title="QQQQ", metadata={"team": "QQQQ"})).SerializeToString()
        batch = stubs.queue.SubmitTasksRequest(tasks=[Request(spec=self.spec()), Request(spec=self.spec(title="QQQQ"))])
        fields = ["spec.command.argv[0]", 'spec.metadata["team"]', "spec.title"]
        for method, request, wanted in (("SubmitTask", raw, fields),
                                        ("SubmitTasks", batch.SerializeToString(), ["tasks[1].spec.title"])):
            failure = self.raw_failure(method, request.replace(b"QQQQ", b"\xff\xfeQQ"))
            self.assertEqual((failure.code.name, failure.reason), ("INVALID_ARGUMENT", "INVALID_FIELD"))
            self.assertEqual(sorted(failure.fields), wanted)
        failure = self.raw_failure("SubmitTask", b"\x0a\x7f")
        self.assertEqual((failure.code.name, failure.reason), ("INVALID_ARGUMENT", "INVALID_FIELD"))
        self.assertEqual(self.raw_failure("SubmitTask", b"\x0a\x7f", "nonsense").reason, "TOKEN_INVALID")
        self.assertFalse(self.tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project])).tasks)

    def test_other_calls_with_malformed_text_are_answered_like_it(self):
        queue = stubs.queue
        selection = queue.TaskSelection(filter=queue.TaskFilter(title_contains="QQQQ"), expected_count=0)
        requests = {
            "ListTasks": (queue.ListTasksRequest(filter=queue.TaskFilter(title_contains="QQQQ")),
                          "filter.title_contains"),
            "ListDeadLetters": (queue.ListDeadLettersRequest(page_token="QQQQ"), "page_token"),
            "CancelTasks": (queue.CancelTasksRequest(selection=selection), "selection.filter.title_contains"),
            "RetryTasks": (queue.RetryTasksRequest(selection=selection), "selection.filter.title_contains"),
            "DiscardDeadLetters": (queue.DiscardDeadLettersRequest(reason="QQQQ"), "reason"),
            "PauseQueue": (queue.PauseQueueRequest(reason="QQQQ"), "reason"),
            "ResumeQueue": (queue.ResumeQueueRequest(target=queue.QueueTarget(project="QQQQ")), "target.project"),
            "AnswerTask": (queue.AnswerTaskRequest(answer="QQQQ"), "answer")}
        for method, (request, field) in requests.items():
            with self.subTest(method=method):
                failure = self.raw_failure(method, request.SerializeToString().replace(b"QQQQ", b"\xff\xfeQQ"))
                self.assertEqual((failure.reason, failure.fields), ("INVALID_FIELD", [field]))

    def raw_failure(self, method, request, token=None):
        """What bytes that no client of ours would send are answered with."""
        call = self.stack.connections[0].channel.unary_unary(f"/switchyard.task_queue.v1.TaskQueueService/{method}")
        with self.assertRaises(grpc.RpcError) as caught:
            call(request, timeout=10, metadata=[("authorization", f"Bearer {token or self.stack.tokens['admin']}")])
        return CallError(caught.exception)

    def test_large_tasks_are_listed_page_by_page_by_any_client(self):
        for _ in range(17):
            self.tasks.SubmitTask(spec=stubs.spec.TaskSpec(prompt=stubs.spec.Prompt(instruction="x" * (512 << 10)),
                                                           project=self.project))
        # The bound that clients have who set none.
        tasks = self.stack.connect(options=[("grpc.max_receive_message_length", 4 << 20)]).tasks
        seen, token = [], ""
        while True:
            page = tasks.ListTasks(filter=stubs.queue.TaskFilter(projects=[self.project]), page_token=token)
            seen += [task.id for task in page.tasks]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(len(set(seen)), 17)
        self.assertEqual(len(seen), 17)

    def test_a_batch_of_large_specifications_is_assigned_though_its_answer_is_large(self):
        ids = [self.tasks.SubmitTask(spec=stubs.spec.TaskSpec(
            prompt=stubs.spec.Prompt(instruction="x" * (512 << 10), system="y" * (64 << 10)), project=self.project,
            metadata={f"k{number}": "v" * 4096 for number in range(64)})).task_id for _ in range(12)]
        scheduler = Scheduler(self.ledger).acquire()
        self.addCleanup(scheduler.release)
        agent = Agent(self.ledger, scheduler)
        agent.open()
        answer = self.ledger.AssignTasks(assignments=[agent.assignment(task_id) for task_id in ids])
        self.assertEqual([result.error.reason for result in answer.results], [""] * 12)
        self.assertGreater(answer.ByteSize(), 9 << 20)
        # An agent that comes back is told of all of them.
        self.assertEqual(len(self.ledger.ListAssigned(agent_ids=[agent.name]).tasks), 12)


if __name__ == "__main__":
    unittest.main()
