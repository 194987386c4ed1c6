"""Postgres ends without warning while executors work: they go on, and what they say meanwhile is not lost."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import LONG, AgentFaultTest  # noqa: E402


class DatabaseWithAgentsTest(AgentFaultTest):
    # Answers of commits are lost as well, one in a hundred.
    options = {"durable": True,
               "environment": {"SWITCHYARD_FAILPOINTS": "commit_answer_lost=0.01,before_commit_disconnect=0.01"}}
    load_options = {"pause": 0.05}

    def test_executors_outlive_a_database_that_crashes(self):
        self.load.start().run_for(1)
        at = {agent.name: agent.position() for agent in self.it.agents.values()}
        # The second outage is longer than a session's lease.
        for down in [0.0, 5.0, *(self.rng.uniform(0, 6) for _ in range(60 if LONG else 0))]:
            print(f"Postgres is stopped for {down:.1f} s", flush=True)
            self.it.postgres.stop_immediately()
            self.load.run_for(down)
            self.it.postgres.start()
            self.load.run_for(self.rng.uniform(1.0, 2.5))
        self.all_is_well()
        for agent in self.it.agents.values():
            ended = [line for line in agent.lines(at[agent.name]) if line.get("msg") == "not connected"]
            self.assertEqual(ended, [], "streams outlive an outage of the database")


if __name__ == "__main__":
    unittest.main()
