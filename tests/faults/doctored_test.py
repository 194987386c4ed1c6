"""The check of all fault tests finds what is wrong when something is: nothing else makes its silence worth anything."""

import os
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from agent_faults import AgentFaultTest  # noqa: E402


class DoctoredTest(AgentFaultTest):
    options = {"hubs": 1, "schedulers": 1, "replicas": 1}
    agents = ("one",)

    def setUp(self):
        super().setUp()
        self.load.watch()
        self.load.patience = 2.0
        self.task_id = self.load.submit("good")
        self.load.submit("bad", status=1)
        self.load.finish()
        self.world = os.path.join(self.it.world, "one.txt")
        with open(self.world, encoding="utf-8") as world:
            self.ran = world.read()
        self.finds()

    def finds(self, *words):
        """One fault each, and no other."""
        faults = self.load.check(alone=True)
        self.assertEqual(len(faults), len(words), faults)
        for word in words:
            self.assertTrue(any(word in fault for fault in faults), faults)

    def write_world(self, text):
        with open(self.world, "w", encoding="utf-8") as world:
            world.write(text)

    def test_it_finds_what_is_doctored(self):
        good, bad = f"{self.load.run_id}-good", f"{self.load.run_id}-bad"
        with self.subTest("an acknowledged task that is not there"):
            self.load.acknowledged["never"] = str(uuid.uuid4())
            self.finds("is lost")
            del self.load.acknowledged["never"]
        with self.subTest("an answer with the task of another"):
            self.load.acknowledged[good] = self.load.acknowledged[bad]
            self.finds("has the content of")
            self.load.acknowledged[good] = self.task_id
        with self.subTest("a second execution"):
            self.write_world(f"{self.ran}begin {good} another-nonce one 1.5\n")
            self.finds("times and ran there")
        with self.subTest("a result that was never made"):
            self.write_world(self.ran.replace(self.load.get(self.task_id).result.output.strip(), "another"))
            self.finds("that no execution of it made")
        self.write_world(self.ran)
        with self.subTest("a watch that skipped an event and one that repeated it"):
            skipped = self.load.watched[0][self.task_id].pop(1)
            self.load.watched[1][self.task_id].append(skipped)
            self.finds("watched were [1, 3", "4, 5, 2]")
            self.load.watched[0][self.task_id].insert(1, skipped)
            self.load.watched[1][self.task_id].pop()
        with self.subTest("a task without its stage"):
            self.it.postgres.sql(f"CREATE TABLE taken AS SELECT * FROM task_queue.outcome WHERE id = '{self.task_id}'")
            self.it.postgres.sql(f"DELETE FROM task_queue.outcome WHERE id = '{self.task_id}'")
            faults = self.load.check()
            self.assertTrue(any("stands in no stage" in fault for fault in faults), faults)
            self.it.postgres.sql("INSERT INTO task_queue.outcome SELECT * FROM taken")
        self.finds()


if __name__ == "__main__":
    unittest.main()
