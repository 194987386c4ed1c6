"""Get, list, events and stats."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import time  # noqa: E402
import uuid  # noqa: E402

import stubs  # noqa: E402
from agents import command  # noqa: E402
from stack import StackTest  # noqa: E402

Filter, spec, task = stubs.queue.TaskFilter, stubs.spec, stubs.task
NEVER = "01900000-0000-7000-8000-000000000000"


class ReadingTest(StackTest):
    def listed(self, order=0, page_size=0, tasks=None, **filters):
        """Ids over all pages."""
        ids, token = [], ""
        while True:
            page = (tasks or self.tasks).ListTasks(filter=Filter(**{"projects": [self.project], **filters}),
                                                   order=order, page_size=page_size, page_token=token)
            if page_size:
                self.assertLessEqual(len(page.tasks), page_size)
            ids += [entry.id for entry in page.tasks]
            token = page.next_page_token
            if not token:
                return ids

    def test_an_unknown_task_is_not_found(self):
        self.fails("TASK_NOT_FOUND", self.tasks.GetTask, task_id=NEVER, code="NOT_FOUND")
        self.fails("TASK_NOT_FOUND", self.tasks.ListTaskEvents, task_id=NEVER, code="NOT_FOUND")
        self.fails("TASK_NOT_FOUND", self.tasks.GetTask, task_id=str(uuid.uuid4()))

    def test_a_malformed_id_is_an_invalid_field(self):
        for bad in ("", "x", NEVER[:-1], NEVER + "0", "z" * 36):
            self.assertEqual(self.fails("INVALID_FIELD", self.tasks.GetTask, task_id=bad).fields, ["task_id"])
            self.assertEqual(self.fails("INVALID_FIELD", self.tasks.ListTaskEvents, task_id=bad).fields, ["task_id"])

    def test_pages_follow_each_other_without_gap_or_repeat_in_both_orders(self):
        ids = [self.submit() for _ in range(23)]
        self.assertEqual(self.listed(page_size=5), ids[::-1])
        self.assertEqual(self.listed(order=stubs.queue.LIST_ORDER_OLDEST_FIRST, page_size=7), ids)
        self.assertEqual(self.listed(order=stubs.queue.LIST_ORDER_NEWEST_FIRST), ids[::-1])
        self.assertEqual(self.listed(page_size=23), ids[::-1])
        self.assertEqual(self.listed(page_size=1), ids[::-1])

    def test_a_page_stays_where_it_is_while_others_submit(self):
        ids = [self.submit() for _ in range(6)]
        page = self.tasks.ListTasks(filter=Filter(projects=[self.project]), page_size=3)
        for _ in range(4):
            self.submit()
        rest = self.tasks.ListTasks(filter=Filter(projects=[self.project]), page_size=50,
                                    page_token=page.next_page_token)
        self.assertEqual([entry.id for entry in [*page.tasks, *rest.tasks]], ids[::-1])

    def test_bad_pages_are_invalid_fields(self):
        for fields, name in (({"page_size": -1}, "page_size"), ({"page_size": 1001}, "page_size"),
                             ({"page_token": "not one of ours"}, "page_token"), ({"order": 9}, "order"),
                             ({"filter": Filter(states=[99])}, "filter.states[0]"),
                             ({"filter": Filter(title_contains="x" * 201)}, "filter.title_contains"),
                             ({"filter": Filter(projects=["NO"])}, "filter.projects[0]")):
            with self.subTest(name=name):
                failure = self.fails("INVALID_FIELD", self.tasks.ListTasks, code="INVALID_ARGUMENT", **fields)
                self.assertEqual(failure.fields, [name])
        self.assertEqual(self.fails("INVALID_FIELD", self.tasks.ListDeadLetters, page_token="no").fields,
                         ["page_token"])

    def test_filters_hold_together_and_each_by_any_value(self):
        urgent = self.submit(lane=spec.LANE_URGENT, task_type="docs", title="Write the Manual")
        low = self.submit(lane=spec.LANE_LOW, task_type="refactor", title="tidy up")
        normal = self.submit(task_type="docs", title="write tests")
        self.assertEqual(self.listed(lanes=[spec.LANE_URGENT, spec.LANE_LOW]), [low, urgent])
        self.assertEqual(self.listed(task_types=["docs"]), [normal, urgent])
        self.assertEqual(self.listed(task_types=["docs"], lanes=[spec.LANE_NORMAL]), [normal])
        self.assertEqual(self.listed(title_contains="WRITE"), [normal, urgent])
        self.assertEqual(self.listed(title_contains="write%"), [])
        self.assertEqual(self.listed(task_types=["none"]), [])
        self.assertEqual(self.listed(projects=[self.project, "other"]), [normal, low, urgent])

    def test_states_agents_holds_and_principals_filter(self):
        agent = self.agent()
        running, done, waiting = self.submit(), self.submit(), self.submit()
        paused = self.submit()
        agent.take(running)
        agent.finish(done, agent.take(done))
        self.tasks.PauseQueue(target=stubs.queue.QueueTarget(task_id=paused))
        self.assertEqual(self.listed(states=[task.TASK_STATE_RUNNING]), [running])
        self.assertEqual(self.listed(states=[task.TASK_STATE_SUCCEEDED]), [done])
        self.assertEqual(self.listed(states=[task.TASK_STATE_QUEUED]), [paused, waiting])
        self.assertEqual(self.listed(states=[task.TASK_STATE_RUNNING, task.TASK_STATE_SUCCEEDED]), [done, running])
        self.assertEqual(self.listed(agent_id=agent.name), [running])
        self.assertEqual(self.listed(hold_reasons=[task.HOLD_REASON_PAUSED]), [paused])
        self.assertEqual(self.listed(principal=self.get(done).principal), [paused, waiting, done, running])
        self.assertEqual(self.listed(principal="nobody"), [])

    def test_create_time_is_a_half_open_range(self):
        ids = []
        for _ in range(3):
            ids.append(self.submit())
            time.sleep(0.01)
        middle = self.get(ids[1]).create_time
        self.assertEqual(self.listed(create_time_from=middle), [ids[2], ids[1]])
        self.assertEqual(self.listed(create_time_to=middle), [ids[0]])
        self.assertEqual(self.listed(create_time_from=middle, create_time_to=self.get(ids[2]).create_time), [ids[1]])

    def test_a_list_leaves_out_output_and_evidence_and_get_has_them(self):
        agent, task_id = self.agent(), self.submit()
        agent.finish(task_id, agent.take(task_id), summary="s", output="o" * 1000, evidence=b"e", exit_code=3,
                     outputs={"branch": "main"})
        [listed] = self.tasks.ListTasks(filter=Filter(projects=[self.project])).tasks
        whole = self.get(task_id)
        self.assertEqual((listed.result.summary, listed.result.output, listed.result.evidence), ("s", "", b""))
        self.assertEqual((whole.result.output, whole.result.evidence, whole.result.exit_code), ("o" * 1000, b"e", 3))
        self.assertEqual(dict(whole.result.outputs), {"branch": "main"})

    def test_events_tell_the_whole_life_in_order(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        agent.phase(task_id, generation, task.PHASE_EXECUTING)
        agent.finish(task_id, generation)
        events = self.tasks.ListTaskEvents(task_id=task_id)
        self.assertEqual([kind for kind, _ in self.events(task_id)],
                         ["SUBMITTED", "ASSIGNED", "ACCEPTED", "PHASE", "FINISHED"])
        self.assertEqual([event.ordinal for event in events.events], [1, 2, 3, 4, 5])
        self.assertEqual([event.generation for event in events.events], [0, 1, 1, 1, 1])
        self.assertEqual(events.events[-1].state, task.TASK_STATE_SUCCEEDED)
        self.assertEqual(events.events[-1].agent_id, agent.name)
        self.assertEqual(events.omitted, 0)
        times = [event.time.ToNanoseconds() for event in events.events]
        self.assertEqual(times, sorted(times))

    def test_a_long_life_keeps_its_beginning_and_its_end(self):
        agent, task_id = self.agent(), self.submit()
        generation = agent.take(task_id)
        for turn in range(300):
            agent.phase(task_id, generation, task.PHASE_EXECUTING if turn % 2 else task.PHASE_APPLYING)
        agent.finish(task_id, generation)
        events = self.tasks.ListTaskEvents(task_id=task_id)
        self.assertEqual(len(events.events), 250)
        self.assertEqual(len(events.events) + events.omitted, events.events[-1].ordinal)
        self.assertEqual([event.ordinal for event in events.events[:50]], list(range(1, 51)))
        last = events.events[-1].ordinal
        self.assertEqual([event.ordinal for event in events.events[50:]], list(range(last - 199, last + 1)))

    def test_stats_count_each_stage_of_each_lane(self):
        def low():
            [lane] = [lane for lane in self.tasks.GetQueueStats().lanes if lane.lane == spec.LANE_LOW]
            return [lane.ready, lane.held, lane.assigned_or_running, lane.verifying, lane.dead_letter, lane.finished]
        before, agent = low(), self.agent()
        ids = [self.submit(lane=spec.LANE_LOW, verdict_policy=spec.VERDICT_POLICY_REQUIRED) for _ in range(6)]
        self.tasks.PauseQueue(target=stubs.queue.QueueTarget(task_id=ids[1]))
        agent.take(ids[2])
        agent.finish(ids[3], agent.take(ids[3]))
        agent.fail(ids[4], agent.take(ids[4]), permanent=True)
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[ids[5]]))
        self.assertEqual([now - then for now, then in zip(low(), before)], [1, 1, 1, 1, 1, 1])
        stats = self.tasks.GetQueueStats()
        self.assertEqual([lane.lane for lane in stats.lanes],
                         [spec.LANE_URGENT, spec.LANE_HIGH, spec.LANE_NORMAL, spec.LANE_LOW])
        self.assertEqual([lane.weight for lane in stats.lanes], [8, 4, 2, 1])
        self.assertGreater(stats.as_of.seconds, 0)

    def test_the_age_of_the_oldest_ready_task_grows(self):
        self.tasks.SubmitTask(spec=command(project=self.project, lane=spec.LANE_HIGH))
        time.sleep(0.05)
        [high] = [lane for lane in self.tasks.GetQueueStats().lanes if lane.lane == spec.LANE_HIGH]
        self.assertGreater(high.oldest_ready_age.ToMilliseconds(), 40)


if __name__ == "__main__":
    unittest.main()
