"""The rules that fault tests check lives by find what is wrong with doctored ones."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import life_rules as rules  # noqa: E402
import stubs  # noqa: E402

task_pb = stubs.task
AGENTS = {"a": "id-a", "b": "id-b"}


def stamp(at):
    return {"seconds": int(at), "nanos": round(at % 1 * 1e9)}


def event(ordinal, kind, state, generation=0, agent="", at=0.0):
    return task_pb.TaskEvent(task_id="t", ordinal=ordinal, kind=f"EVENT_KIND_{kind}", state=f"TASK_STATE_{state}",
                             generation=generation, agent_id=agent, time=stamp(at))


def attempt(generation, agent, outcome, begin, end, charged=True):
    return task_pb.Attempt(generation=generation, agent_id=agent, outcome=f"ATTEMPT_OUTCOME_{outcome}", charged=charged,
                           assign_time=stamp(begin), finish_time=stamp(end))


class LifeRulesTest(unittest.TestCase):
    def setUp(self):
        """Lost by a, done by b."""
        self.task = task_pb.Task(
            id="t", state=rules.SUCCEEDED, generation=2, attempts=1, losses=1,
            spec=stubs.spec.TaskSpec(title="r"), result=task_pb.TaskResult(output="n2\n"),
            history=[attempt(1, "id-a", "LOST", 10, 14, charged=False), attempt(2, "id-b", "SUCCEEDED", 15, 18)])
        self.events = [event(1, "SUBMITTED", "QUEUED"), event(2, "ASSIGNED", "ASSIGNED", 1, "id-a"),
                       event(3, "ACCEPTED", "RUNNING", 1, "id-a"), event(4, "RETURNED", "QUEUED", 1, "id-a"),
                       event(5, "ASSIGNED", "ASSIGNED", 2, "id-b"), event(6, "ACCEPTED", "RUNNING", 2, "id-b"),
                       event(7, "FINISHED", "SUCCEEDED", 2, "id-b")]
        self.runs = [rules.Run("r", "n1", "a", 10.5), rules.Run("r", "n2", "b", 15.5, 17.5, 0)]

    def faults(self):
        return [*rules.set_faults({"r": "t"}, {"t": self.task}), *rules.timeline_faults(self.task, self.events),
                *rules.outcome_faults(self.task), *rules.run_faults(self.task, self.runs, AGENTS)]

    def found(self, words):
        self.assertTrue(any(words in fault for fault in self.faults()), self.faults())

    def renumber(self):
        for number, told in enumerate(self.events, 1):
            told.ordinal = number

    def test_a_good_life_is_good(self):
        self.assertEqual(self.faults(), [])

    def test_a_lost_task(self):
        self.assertIn("is lost", next(rules.set_faults({"r": "t"}, {})))

    def test_a_task_that_was_stored_twice(self):
        other = task_pb.Task(id="u", spec=self.task.spec)
        self.assertIn("stored 2 times", next(rules.set_faults({"r": "t"}, {"t": self.task, "u": other})))

    def test_the_content_of_another(self):
        self.task.spec.title = "another"
        self.found("has the content of another")

    def test_two_results(self):
        self.events.append(event(8, "FINISHED", "SUCCEEDED", 2, "id-b"))
        self.found("came after the end")

    def test_two_successful_attempts(self):
        self.task.history[0].outcome = task_pb.ATTEMPT_OUTCOME_SUCCEEDED
        self.task.history[0].charged = True
        self.found("with 2 successful attempts")

    def test_two_owners_at_once(self):
        del self.events[3]
        self.renumber()
        self.found("while id-a/1 owns it")

    def test_an_acceptance_by_who_was_not_asked(self):
        self.events[5].agent_id = "id-a"
        self.found("the owner is id-b")

    def test_two_acceptances(self):
        self.events.insert(6, event(7, "ACCEPTED", "RUNNING", 2, "id-b"))
        self.renumber()
        self.found("a second time")

    def test_overlapping_assignments(self):
        self.task.history[1].assign_time.seconds = 13
        self.found("began before 1 was over")

    def test_a_report_of_an_older_generation_that_counted(self):
        self.events[6].generation = 1
        self.found("of generation 1 in generation 2")

    def test_a_result_of_an_older_generation(self):
        self.task.result.output = "n1\n"
        self.found("has the result of another assignment")

    def test_a_result_from_nowhere(self):
        self.task.result.output = "n3\n"
        self.found("that no execution of it made")

    def test_an_execution_that_nobody_was_given(self):
        self.runs.append(rules.Run("r", "n4", "b", 16, 17, 0))
        self.found("ran there 2 times")

    def test_two_executions_at_once(self):
        self.runs[0].end = 16.0
        self.assertEqual(list(rules.run_faults(self.task, self.runs, AGENTS)), [])
        self.assertIn("at once", next(rules.run_faults(self.task, self.runs, AGENTS, alone=True)))

    def test_a_task_that_does_not_end(self):
        self.task.state = rules.RUNNING
        del self.events[6]
        self.found("did not end")

    def test_an_illegal_step(self):
        self.events[6].state = task_pb.TASK_STATE_PARTIAL
        self.task.state = task_pb.TASK_STATE_PARTIAL
        self.found("from RUNNING to PARTIAL")

    def test_a_gap_in_the_events(self):
        del self.events[2]
        self.found("has the events [1, 2, 4")

    def test_a_gap_or_a_repetition_in_a_watch(self):
        self.assertEqual(list(rules.watch_faults("t", [1, 2, 3, 4, 5, 6, 7], self.events)), [])
        for seen in ([1, 2, 3, 5, 6, 7], [1, 2, 2, 3, 4, 5, 6, 7], [2, 1, 3, 4, 5, 6, 7], []):
            self.assertTrue(list(rules.watch_faults("t", seen, self.events)), seen)

    def test_a_loss_that_was_charged(self):
        self.task.history[0].charged = True
        self.task.attempts = 2
        self.found("LOST, charged True")

    def test_attempts_that_do_not_add_up(self):
        self.task.attempts = 3
        self.found("3 attempts, 1 charged")

    def test_a_history_that_hides_an_owner(self):
        del self.task.history[0]
        self.found("its history says")

    def test_lines_of_executions_are_read(self):
        runs = rules.read_runs(["begin r n1 a 10.5", "begin r n2 b 15.5", "stopped r n1 a 11.5", "end r n2 b 17.5 1"])
        self.assertEqual([runs["n1"], runs["n2"]],
                         [rules.Run("r", "n1", "a", 10.5, 11.5), rules.Run("r", "n2", "b", 15.5, 17.5, 1)])


if __name__ == "__main__":
    unittest.main()
