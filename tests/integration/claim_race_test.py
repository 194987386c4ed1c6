"""Many claimers over one set of ready tasks: each task goes to exactly one."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import collections  # noqa: E402
import random  # noqa: E402

import stubs  # noqa: E402
from agents import Agent, command  # noqa: E402
from client import in_threads  # noqa: E402
from stack import StackTest  # noqa: E402

CLAIMERS, TASKS = 64, 400


class ClaimRaceTest(StackTest):
    options = {"replicas": 2}

    def test_each_task_is_assigned_once(self):
        seed = random.randrange(1 << 30)
        print(f"seed {seed}", flush=True)
        request = stubs.queue.SubmitTaskRequest(spec=command(project=self.project))
        made = [result.task.task_id for result in self.tasks.SubmitTasks(tasks=[request] * TASKS).results]
        connections = [self.stack.connect("service", replica=index % 2).ledger for index in range(8)]
        scheduler = self.scheduler()

        def claim(index):
            agent = Agent(connections[index % 8], scheduler)
            agent.open()
            order = list(made)
            random.Random(seed + index).shuffle(order)
            won = []
            for begin in range(0, TASKS, 20):
                results = agent.ledger.AssignTasks(timeout=120, assignments=[
                    agent.assignment(task_id) for task_id in order[begin:begin + 20]]).results
                for result in results:
                    if result.error.reason:
                        self.assertIn(result.error.reason, ("STALE_GENERATION", "TASK_NOT_READY"))
                    else:
                        self.assertEqual(result.generation, 1)
                        won.append(result.task_id)
            return agent.name, won

        answers = in_threads(CLAIMERS, claim)
        owners = collections.Counter(task_id for _, won in answers for task_id in won)
        self.assertEqual(set(owners), set(made))
        self.assertEqual(set(owners.values()), {1})
        stored = {}
        for name, _ in answers:
            for entry in self.ledger.ListAssigned(agent_ids=[name]).tasks:
                stored[entry.assignment.task_id] = entry.agent_id
        self.assertEqual(stored, {task_id: name for name, won in answers for task_id in won})
        self.assertEqual([kind for kind, _ in self.events(made[0])], ["SUBMITTED", "ASSIGNED"])


if __name__ == "__main__":
    unittest.main()
