"""The agent hub as a process over a real task queue, identity and Postgres; the executor is one of a few lines."""

import os
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import stubs  # noqa: E402
from agents import command, shard_of  # noqa: E402
from client import Connection, Service, retried  # noqa: E402
from stack import Process, StackTest  # noqa: E402
from stream_agent import StreamAgent, enroll  # noqa: E402
from waiting import wait_until  # noqa: E402

hub = stubs.agent_hub
dispatch = stubs.agent_dispatch
States = stubs.agent_admin.AgentState
LEASE = {"time": {"session_lease": "5s", "shard_lease": "1m", "sweep_interval": "50ms", "accept": "60s"}}


class HubProcess(Process):
    def __init__(self, stack, name, **settings):
        token = os.path.join(stack.folder, "service.token")
        super().__init__(stack, "switchyard-agent-hub", name, {
            "server": stack.server_section({"drain_deadline": "5s"}), "database": stack.database(),
            "auth": {"identity_address": stack.identity.address, "token": f"file:{token}", "cache_ttl": "1s"},
            "task_queue": {"address": stack.queues[0].address}, "agent_hub": settings})


class AgentHubTest(StackTest):
    options = {"settings": LEASE, "identity": {"cache_ttl": "0s"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hub = HubProcess(cls.stack, "hub", hub_id="hub-1", time={"renew": "500ms", "heartbeat": "2s"},
                             penalty={"first": "1h"}).start()
        connection = cls.stack._connected(Connection(cls.hub.address, cls.stack.tokens["admin"]))
        cls.agents, cls.channel = connection.agents, connection.channel
        cls.dispatch = Service(connection.channel, dispatch, "AgentDispatchService", cls.stack.tokens["service"])

    @classmethod
    def tearDownClass(cls):
        code = cls.hub.stop()
        super().tearDownClass()
        assert code == 0, code

    def join(self, name=None, **options):
        self.name = name or f"w{uuid.uuid4().hex[:8]}"
        self.agent_id, self.token = enroll(self.hub.address, self.stack.tokens["admin"], self.name)
        return self.come(**options)

    def come(self, **options):
        agent = StreamAgent(self.hub.address, self.token, **options)
        self.addCleanup(agent.drop)
        return agent

    def show(self):
        return self.agents.GetAgent(agent=self.name).agent

    def await_agent(self, state, timeout=15.0):
        wait_until(lambda: States.Name(self.show().state) == f"AGENT_STATE_{state}", f"{self.name} to be {state}", timeout)
        return self.show()

    def epoch(self, agent):
        return agent.wait("welcome").session_epoch

    def give(self, agent, task_id, generation=0):
        """As a scheduler: assigned at the ledger, dispatched here."""
        given = self.ledger.AssignTasks(assignments=[stubs.ledger.Assignment(
            task_id=task_id, generation=generation, agent_id=self.agent_id, session_epoch=self.epoch(agent),
            shard_epoch=self.scheduler().epochs[shard_of(task_id)])]).results[0]
        self.assertFalse(given.error.reason, given)
        return self.hand(agent, given)

    def hand(self, agent, given):
        item = dispatch.DispatchItem(agent_id=self.agent_id, session_epoch=self.epoch(agent), assignment=hub.Assignment(
            task_id=given.task_id, generation=given.generation, spec=given.spec, accept_by=given.accept_by))
        return self.dispatch.Dispatch(scheduler_id="test", watch_id="", items=[item]).results[0]

    def test_a_machine_joins_proves_itself_and_is_offered(self):
        agent = self.join(capabilities=["os:linux"])
        self.assertEqual(agent.wait("welcome").agent_name, self.name)
        seen = self.await_agent("IDLE")
        self.assertEqual(seen.probe_state, stubs.agent_admin.PROBE_STATE_PASSED)
        self.assertTrue(seen.available)
        self.assertEqual((seen.version, seen.slots, list(seen.capabilities), seen.hub_id), ("test", 4, ["os:linux"], "hub-1"))
        states = [States.Name(t.to) for t in self.agents.GetAgent(agent=self.name).transitions]
        self.assertEqual(states[:2], ["AGENT_STATE_IDLE", "AGENT_STATE_CONNECTING"])
        with self.dispatch.WatchCapacity(scheduler_id="test") as watch:
            wait_until(lambda: any(a.agent_id == self.agent_id and a.credit_limit == 4
                                   for m in watch.messages for a in m.agents), "the agent to be offered")

    def test_a_task_runs_from_dispatch_to_its_acknowledged_end(self):
        agent = self.join()
        task = self.submit("echo", "hello")
        self.assertFalse(self.give(agent, task).error.reason)
        work = agent.next()
        self.assertEqual((work.task_id, list(work.spec.command.argv)), (task, ["echo", "hello"]))
        agent.accept(work)
        agent.report(work, phase=hub.PhaseChange(phase=stubs.task.PHASE_EXECUTING))
        number = agent.complete(work, summary="said hello")
        self.assertEqual(agent.acknowledged(number), {})
        self.assertEqual(self.get(task).result.summary, "said hello")
        self.assertEqual(self.state(task), "SUCCEEDED")
        # The same again after a lost answer, and a late word of an older owner.
        agent.number -= 1
        again = self.come(restarted=False)
        again.number = number - 1
        self.assertEqual(again.acknowledged(again.complete(work, summary="said hello")), {})
        work.generation += 1
        refusals = again.acknowledged(again.complete(work))
        self.assertEqual(list(refusals.values()), ["STALE_GENERATION"])

    def test_what_it_prints_is_kept(self):
        agent = self.join()
        task = self.submit("echo")
        self.give(agent, task)
        work = agent.next()
        agent.accept(work)
        agent.say(logs=hub.LogBatch(chunks=[
            hub.LogChunk(task_id=task, generation=1, sequence=1, stream=stubs.agent_admin.LOG_STREAM_STDOUT, data=b"one\n"),
            hub.LogChunk(task_id=task, generation=1, sequence=2, stream=stubs.agent_admin.LOG_STREAM_STDOUT, data=b"two\n",
                         last=True)]))
        with self.agents.ReadTaskLog(task_id=task, follow=True) as log:
            wait_until(lambda: b"".join(c.data for m in log.messages for c in m.chunks) == b"one\ntwo\n", "the output")
        agent.acknowledged(agent.complete(work))

    def test_a_cancel_and_an_answer_reach_it(self):
        agent = self.join()
        task = self.submit("ask")
        self.give(agent, task)
        work = agent.next()
        agent.accept(work)
        agent.acknowledged(agent.report(work, blocked=hub.Blocked(reason="needs_input", question="which one?")))
        self.await_agent("BLOCKED")
        self.tasks.AnswerTask(task_id=task, answer="the red one")
        self.assertEqual(agent.wait("answer").text, "the red one")
        agent.report(work, phase=hub.PhaseChange(phase=stubs.task.PHASE_EXECUTING))
        self.tasks.CancelTasks(selection=stubs.queue.TaskSelection(task_ids=[task]), reason="a test")
        self.assertFalse(agent.wait("cancel").withdrawn)
        agent.acknowledged(agent.report(work, released=hub.Released(reason="cancelled")))
        self.assertEqual(self.state(task), "CANCELLED")

    def test_confirms_only_for_the_owner(self):
        agent = self.join()
        task = self.submit("push")
        self.give(agent, task)
        work = agent.next()
        agent.accept(work)
        agent.say(confirm=hub.Confirm(request=1, task_id=task, generation=1))
        self.assertTrue(agent.wait("confirm_result", lambda r: r.request == 1).current)
        agent.say(confirm=hub.Confirm(request=2, task_id=task, generation=2))
        self.assertFalse(agent.wait("confirm_result", lambda r: r.request == 2).current)

    def test_an_unplugged_machine_comes_back_to_its_work(self):
        agent = self.join()
        task = self.submit("long")
        self.give(agent, task)
        work = agent.next()
        agent.acknowledged(agent.accept(work))
        agent.drop()
        self.await_agent("UNRESPONSIVE")
        back = self.come(restarted=False, held=agent.held)
        self.assertEqual([(t.task_id, t.generation) for t in back.wait("welcome").keep], [(task, 1)])
        self.await_agent("WORKING")
        back.acknowledged(back.complete(work))
        self.assertEqual(self.state(task), "SUCCEEDED")
        self.assertEqual(self.get(task).generation, 1)

    def test_a_machine_that_restarts_empty_gives_its_work_back_at_once(self):
        agent = self.join()
        task = self.submit("long")
        self.give(agent, task)
        agent.acknowledged(agent.accept(agent.next()))
        agent.drop()
        self.come(restarted=True).wait("welcome")
        self.assertEqual(self.await_state(task, "QUEUED", timeout=1.0).losses, 1)

    def test_a_machine_that_stays_away_loses_its_work_after_the_grace_period(self):
        agent = self.join()
        task = self.submit("long")
        self.give(agent, task)
        agent.acknowledged(agent.accept(agent.next()))
        agent.drop()
        self.await_state(task, "QUEUED", timeout=10.0)
        self.await_agent("OFFLINE")
        late = self.come(restarted=False, held=agent.held)
        self.assertEqual([t.task_id for t in late.wait("welcome").drop], [task])

    def test_an_assignment_whose_dispatch_never_came_is_delivered_with_the_next_session(self):
        agent = self.join()
        task = self.submit("lost")
        self.ledger.AssignTasks(assignments=[stubs.ledger.Assignment(
            task_id=task, agent_id=self.agent_id, session_epoch=self.epoch(agent),
            shard_epoch=self.scheduler().epochs[shard_of(task)])])
        agent.drop()
        back = self.come(restarted=False)
        self.assertTrue(back.next().redelivered)

    def test_quarantine_takes_its_work_back(self):
        agent = self.join()
        task = self.submit("long")
        self.give(agent, task)
        agent.acknowledged(agent.accept(agent.next()))
        self.agents.QuarantineAgent(agent=self.name, reason="odd results")
        self.assertTrue(agent.wait("cancel").withdrawn)
        self.await_state(task, "QUEUED")
        self.await_agent("QUARANTINED")
        self.agents.ResumeAgent(agent=self.name)
        agent.held.clear()
        agent.beat()
        self.await_agent("IDLE")

    def test_a_removed_agent_is_sent_away(self):
        agent = self.join()
        agent.wait("welcome")
        self.agents.RemoveAgent(agent=self.name, reason="sold")
        failure = agent.end()
        self.assertIn(failure.reason, ("AGENT_REMOVED", "TOKEN_INVALID"))

    def test_an_older_executor_is_shown_as_such(self):
        agent = self.join(features=["kind.command"])
        self.assertIn("blocked", agent.wait("welcome").missing_features)
        self.assertIn("blocked", self.await_agent("IDLE").missing_features)

    def test_a_silent_peer_is_sent_away_for_long_and_that_outlives_the_hub(self):
        self.join(hello=False)
        second = HubProcess(self.stack, "hub-strict", time={"hello": "200ms"}, penalty={"first": "1h"}).start()
        try:
            peer = StreamAgent(second.address, self.token, hello=False)
            self.assertEqual(peer.end().reason, "HELLO_MISSING")
            self.assertEqual(peer.messages[-1].goodbye.reason, "HELLO_MISSING")
            wait_until(lambda: self.show().penalty.violations == 1, "the violation to be written")
        finally:
            self.assertEqual(second.stop(), 0, second.tail())
        failure = self.come().end()
        self.assertEqual(failure.reason, "AGENT_PENALIZED")
        self.assertGreater(failure.retry_after, 3000)
        self.agents.ResetAgentBreaker(agent=self.name)
        wait_until(lambda: self.comes_in(), "the agent to be let in")

    def comes_in(self):
        agent = self.come()
        try:
            return agent.wait("welcome", timeout=5.0)
        except AssertionError:
            return None

    def test_a_hub_that_dies_is_replaced_by_another(self):
        second = HubProcess(self.stack, "hub-2", hub_id="hub-2", time={"renew": "500ms"}).start()
        try:
            self.join()
            agent = StreamAgent(second.address, self.token)
            task = self.submit("long")
            epoch = agent.wait("welcome").session_epoch
            given = self.ledger.AssignTasks(assignments=[stubs.ledger.Assignment(
                task_id=task, agent_id=self.agent_id, session_epoch=epoch,
                shard_epoch=self.scheduler().epochs[shard_of(task)])]).results[0]
            self.assertFalse(given.error.reason, given)
            second.kill()
            agent.end()
            back = self.come(restarted=False)
            work = back.next()
            back.accept(work)
            back.acknowledged(back.complete(work))
            self.assertEqual(self.state(task), "SUCCEEDED")
        finally:
            second.stop()

    def test_a_hub_that_stops_tells_its_agents_first(self):
        second = HubProcess(self.stack, "hub-3", time={"reconnect_spread": "100ms"}).start()
        self.join()
        agent = StreamAgent(second.address, self.token)
        agent.wait("welcome")
        started = time.monotonic()
        second.signal(15)
        agent.wait("drain")
        agent.leave()
        self.assertEqual(second.process.wait(10), 0, second.tail())
        self.assertLess(time.monotonic() - started, 4.0)

    def test_streams_and_reports_survive_the_absence_of_the_database(self):
        agent = self.join()
        self.await_agent("IDLE")
        task = self.submit("long")
        self.give(agent, task)
        work = agent.next()
        agent.acknowledged(agent.accept(work))
        self.stack.postgres.stop_immediately()
        number = agent.complete(work, summary="while nobody could write it down")
        time.sleep(1.0)
        self.assertFalse(agent.ended.is_set())
        self.stack.postgres.start()
        self.assertEqual(agent.acknowledged(number, timeout=30.0), {})
        self.assertEqual(retried(lambda: self.state(task)), "SUCCEEDED")
        self.assertFalse(agent.ended.is_set())


if __name__ == "__main__":
    unittest.main()
