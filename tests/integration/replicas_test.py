"""Two replicas over one database: either may be asked anything."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import collections  # noqa: E402
import threading  # noqa: E402

import stubs  # noqa: E402
from agents import Agent, Scheduler, command  # noqa: E402
from client import in_threads  # noqa: E402
from stack import StackTest  # noqa: E402
from waiting import wait_until  # noqa: E402

task = stubs.task


def keys(messages):
    return [(event.task_id, event.ordinal) for message in messages for event in message.events]


class ReplicasTest(StackTest):
    options = {"replicas": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.queues = [cls.tasks, cls.stack.connect("admin", replica=1).tasks]
        cls.ledgers = [cls.ledger, cls.stack.connect("service", replica=1).ledger]

    def agent_of(self, replica):
        agent = Agent(self.ledgers[replica], self.scheduler())
        agent.open()
        return agent

    def on(self, replica, agent):
        """The same agent, speaking to the other replica."""
        other = Agent(self.ledgers[replica], agent.scheduler, agent.name)
        other.epoch = agent.epoch
        return other

    def test_a_life_may_be_led_over_both(self):
        agent = self.agent_of(0)
        for turn in range(20):
            ways = [self.on((turn >> bit) % 2, agent) for bit in range(4)]
            task_id = self.queues[turn % 2].SubmitTask(spec=command(project=self.project)).task_id
            given = ways[1].assign(task_id)
            self.assertEqual((given.error.reason, given.spec.command.argv), ("", ["true"]))
            self.assertTrue(given.traceparent)
            agent.expect(ways[2].accept(task_id, given.generation))
            agent.expect(ways[3].phase(task_id, given.generation, task.PHASE_EXECUTING))
            first = agent.expect(ways[0].finish(task_id, given.generation))
            self.assertEqual(ways[1].finish(task_id, given.generation), first)
            self.assertEqual(self.queues[1 - turn % 2].GetTask(task_id=task_id).task.state, task.TASK_STATE_SUCCEEDED)

    def test_what_one_replica_remembers_of_a_task_that_the_other_moved_on_does_no_harm(self):
        agent = self.agent_of(0)
        there = self.on(1, agent)
        task_id = self.submit()
        generation = agent.take(task_id)
        agent.expect(there.let_go(task_id, generation))
        # The first replica may still believe that it runs.
        self.refused(agent.finish(task_id, generation), "STALE_GENERATION")
        second = there.take(task_id, generation)
        agent.expect(agent.finish(task_id, second))
        self.refused(there.fail(task_id, second), "STALE_GENERATION")
        self.assertEqual(self.state(task_id), "SUCCEEDED")

    def test_a_request_id_is_known_to_both(self):
        spec = command(project=self.project)
        answers = in_threads(16, lambda index: self.queues[index % 2].SubmitTask(request_id=self.project, spec=spec))
        self.assertEqual(len({answer.task_id for answer in answers}), 1)
        self.assertEqual(sum(not answer.replayed for answer in answers), 1)

    def test_watchers_of_both_see_every_event_once_in_one_order(self):
        watches = [queue.WatchTasks(projects=[self.project]).start() for queue in self.queues]
        for watch in watches:
            watch.wait_for(lambda messages: messages, "the first token")
        scheduler = self.scheduler()

        def work(index):
            agent = Agent(self.ledgers[index % 2], scheduler)
            agent.open()
            other = self.on(1 - index % 2, agent)
            for _ in range(25):
                task_id = self.queues[(index // 2) % 2].SubmitTask(spec=command(project=self.project)).task_id
                given = agent.assign(task_id)
                agent.expect(other.accept(task_id, given.generation))
                agent.expect(agent.finish(task_id, given.generation))
        in_threads(8, work)
        wanted = 8 * 25 * 4
        for watch in watches:
            watch.wait_for(lambda messages: len(keys(messages)) >= wanted, "all events")
        for watch in watches:
            watch.cancel()
        first, second = (keys(watch.messages) for watch in watches)
        self.assertEqual(first, second)
        self.assertEqual(max(collections.Counter(first).values()), 1)
        ordinals = collections.defaultdict(list)
        for task_id, ordinal in first:
            ordinals[task_id].append(ordinal)
        self.assertEqual(len(ordinals), 200)
        for told in ordinals.values():
            self.assertEqual(told, [1, 2, 3, 4])

    def test_a_token_of_one_is_good_at_the_other(self):
        with self.queues[0].WatchTasks(projects=[self.project]) as watch:
            watch.wait_for(lambda messages: messages, "the first token")
            made = [self.submit() for _ in range(10)]
            watch.wait_for(lambda messages: len(keys(messages)) == 10, "ten events")
        with self.queues[1].WatchTasks(projects=[self.project], resume_token=watch.messages[0].resume_token) as again:
            again.wait_for(lambda messages: len(keys(messages)) >= 10, "the same events")
        self.assertEqual([task_id for task_id, _ in keys(again.messages)], made)

    def offered(self, messages, task_id):
        return any(entry.task_id == task_id for message in messages for entry in message.tasks)

    def test_the_ready_feed_tells_what_became_ready_at_the_other(self):
        with self.ledgers[1].WatchReady(shards=range(16)) as feed:
            feed.wait_for(lambda messages: any(message.scan_complete for message in messages), "the scan")
            task_id = self.queues[0].SubmitTask(spec=command(project=self.project)).task_id
            feed.wait_for(lambda messages: self.offered(messages, task_id), "the task")
            agent = self.agent_of(0)
            generation = agent.take(task_id)
            agent.expect(agent.let_go(task_id, generation))
            feed.wait_for(lambda messages: any(entry.task_id == task_id and entry.generation == generation
                                               for message in messages for entry in message.tasks),
                          "the task that came back")

    def test_pauses_and_directives_reach_the_other(self):
        agent = self.agent_of(0)
        task_id = self.submit()
        agent.take(task_id)
        with self.ledgers[1].WatchDirectives(agent_ids=[agent.name]) as directives, \
                self.ledgers[1].WatchReady(shards=range(16)) as feed:
            self.queues[0].CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task_id]))
            directives.wait_for(lambda messages: messages, "the cancellation")
            self.queues[0].PauseQueue(target=stubs.queue.QueueTarget(project=self.project))
            feed.wait_for(lambda messages: any(self.project in message.pauses.projects for message in messages),
                          "the pause")
        self.assertTrue(self.queues[1].ResumeQueue(target=stubs.queue.QueueTarget(project=self.project)).was_paused)

    def test_a_session_opened_at_one_ends_the_one_at_the_other(self):
        agent = self.agent_of(0)
        task_id = self.submit()
        generation = agent.take(task_id)
        there = Agent(self.ledgers[1], agent.scheduler, agent.name)
        self.assertEqual([held.task_id for held in there.open(held=[(task_id, generation)]).keep], [task_id])
        self.refused(agent.finish(task_id, generation), "STALE_SESSION")
        self.assertFalse(agent.renew())
        agent.expect(there.finish(task_id, generation))

    def test_two_schedulers_on_two_replicas_share_the_shards(self):
        self.scheduler().release()
        one, two = Scheduler(self.ledgers[0]), Scheduler(self.ledgers[1])
        try:
            in_threads(2, lambda index: (one, two)[index].acquire(want=8))
            self.assertEqual((len(one.epochs), len(two.epochs)), (8, 8))
            self.assertFalse(set(one.epochs) & set(two.epochs))
        finally:
            one.release()
            two.release()
            self.scheduler().acquire()

    def test_a_replica_that_is_killed_takes_nothing_with_it(self):
        stop, made = threading.Event(), []

        def submit():
            while not stop.is_set():
                made.append(self.queues[0].SubmitTask(spec=command(project=self.project)).task_id)
        thread = threading.Thread(target=submit)
        thread.start()
        try:
            agent = self.agent_of(1)
            wait_until(lambda: len(made) > 20, "some tasks")
            generation = agent.take(made[0])
            self.stack.queues[1].kill()
            here = self.on(0, agent)
            here.expect(here.finish(made[0], generation))
            wait_until(lambda: len(made) > 60, "more tasks")
        finally:
            stop.set()
            thread.join()
            if self.stack.queues[1].process is None:
                self.stack.queues[1].start()
        self.assertEqual({self.queues[1].GetTask(task_id=task_id).task.id for task_id in made}, set(made))


if __name__ == "__main__":
    unittest.main()
