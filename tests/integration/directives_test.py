"""Directives: what agents are told, until they have done it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from stack import StackTest  # noqa: E402

Selection = stubs.queue.TaskSelection


def about(messages, task_id):
    return [directive for message in messages for directive in message.directives if directive.task_id == task_id]


class DirectivesTest(StackTest):
    def cancel(self, task_id):
        [result] = self.tasks.CancelTasks(selection=Selection(task_ids=[task_id]), reason="changed my mind").results
        self.assertFalse(result.error.reason)

    def running(self):
        agent, task_id = self.agent(), self.submit()
        return agent, task_id, agent.take(task_id)

    def test_a_cancellation_reaches_the_agent_again_and_again_until_it_lets_go(self):
        agent, task_id, generation = self.running()
        with self.ledger.WatchDirectives(agent_ids=[agent.name]) as feed:
            self.cancel(task_id)
            feed.wait_for(lambda messages: len(about(messages, task_id)) >= 2, "the directive, twice")
            for directive in about(feed.messages, task_id):
                self.assertEqual((directive.generation, directive.agent_id, directive.cancel.reason),
                                 (generation, agent.name, "changed my mind"))
            self.assertTrue(self.get(task_id).cancel_requested)
            self.assertEqual(self.state(task_id), "RUNNING")
            answer = agent.expect(agent.let_go(task_id, generation))
            self.assertEqual(answer.state, stubs.task.TASK_STATE_CANCELLED)
        self.assertEqual(self.events(task_id)[-2:], [("CANCEL_REQUESTED", "CANCELLED"), ("FINISHED", "CANCELLED")])
        with self.ledger.WatchDirectives(agent_ids=[agent.name]) as feed:
            self.assertFalse(feed.closed.wait(2.5))
            self.assertEqual(about(feed.messages, task_id), [])

    def test_a_feed_begins_with_what_is_outstanding(self):
        agent, task_id, _ = self.running()
        self.cancel(task_id)
        with self.ledger.WatchDirectives() as feed:
            feed.wait_for(lambda messages: about(messages, task_id), "the directive")
        self.assertEqual(about(feed.messages, task_id)[0].agent_id, agent.name)

    def test_a_feed_of_some_agents_tells_only_of_these(self):
        agent, task_id, _ = self.running()
        other, others, _ = self.running()
        with self.ledger.WatchDirectives(agent_ids=[other.name]) as feed:
            self.cancel(task_id)
            self.cancel(others)
            feed.wait_for(lambda messages: about(messages, others), "the directive")
            self.assertEqual(about(feed.messages, task_id), [])
        self.assertNotEqual(agent.name, other.name)

    def test_a_success_that_outran_its_cancellation_is_a_success(self):
        agent, task_id, generation = self.running()
        self.cancel(task_id)
        self.assertEqual(agent.expect(agent.finish(task_id, generation)).state, stubs.task.TASK_STATE_SUCCEEDED)

    def test_a_failure_after_the_cancellation_ends_it(self):
        agent, task_id, generation = self.running()
        self.cancel(task_id)
        agent.expect(agent.fail(task_id, generation))
        self.assertEqual(self.state(task_id), "CANCELLED")

    def test_an_agent_that_restarts_lets_a_cancelled_task_end(self):
        agent, task_id, _ = self.running()
        self.cancel(task_id)
        agent.open(restarted=True)
        self.await_state(task_id, "CANCELLED")

    def test_a_task_that_awaits_its_verdict_is_cancelled_at_once(self):
        agent = self.agent()
        task_id = self.submit(verdict_policy=stubs.spec.VERDICT_POLICY_REQUIRED)
        agent.finish(task_id, agent.take(task_id))
        self.cancel(task_id)
        self.assertEqual(self.state(task_id), "CANCELLED")

    def test_the_number_of_agents_is_checked(self):
        failure = self.ledger.WatchDirectives(agent_ids=["a\nb"]).start().wait_closed()
        self.assertEqual((failure.reason, failure.fields), ("INVALID_FIELD", ["agent_ids[0]"]))


if __name__ == "__main__":
    unittest.main()
