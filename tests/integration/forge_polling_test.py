"""What becomes of pull requests: the verification service asks a forge, records it, and merges what all rules allow."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import stubs  # noqa: E402
from stack import StackTest  # noqa: E402
from stub_forge import StubForge  # noqa: E402
from waiting import wait_until  # noqa: E402

checks, spec, verification = stubs.checks, stubs.spec, stubs.verification
TESTS = spec.VerificationStep(name="tests", test_passes=spec.TestPasses(argv=["make", "test"]))
NAME = "acme/widget"


class Repository:
    """Bare, as the forge has it, and a clone to work in."""

    def __init__(self, folder):
        self.bare = os.path.join(folder, NAME + ".git")
        self.clone = os.path.join(folder, "clone")
        os.makedirs(os.path.dirname(self.bare))
        self.run("git", "init", "-q", "--bare", "-b", "main", self.bare, cwd=folder)
        self.run("git", "clone", "-q", self.bare, self.clone, cwd=folder)
        self.base = self.commit("README.md", "A widget.\n")
        self.push("main")

    def run(self, *words, cwd=None):
        return subprocess.run(words, cwd=cwd or self.clone, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, path, text):
        os.makedirs(os.path.dirname(os.path.join(self.clone, path)), exist_ok=True)
        with open(os.path.join(self.clone, path), "w", encoding="utf-8") as file:
            file.write(text)
        self.run("git", "add", path)
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", path)
        return self.run("git", "rev-parse", "HEAD")

    def push(self, branch):
        self.run("git", "push", "-q", "origin", f"HEAD:refs/heads/{branch}")

    def branch(self, branch, path="docs/guide.md", text="Turn it.\n"):
        """One commit on a branch of its own."""
        self.run("git", "checkout", "-q", "--detach", self.base)
        head = self.commit(path, text)
        self.push(branch)
        return head

    def main(self):
        return self.run("git", "-C", self.bare, "rev-parse", "main")

    def holds(self, commit):
        words = ("git", "-C", self.bare, "merge-base", "--is-ancestor", commit, "main")
        return subprocess.run(words, check=False).returncode == 0


class ForgePolling:
    manner = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.add_verification({"sweep": "300ms"})
        cls.admin = cls.stack.connect_verification()

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="syforge.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.repository = Repository(self.folder)
        self.forge = StubForge(git_root=self.folder).start()
        self.addCleanup(self.forge.stop)
        policy = verification.Policy(project=self.project, merge=verification.MergeRules(enabled=True))
        self.admin.SetPolicy(policy=policy)
        self.addCleanup(self.admin.RemovePolicy, project=self.project)

    # What tests do.
    def deliver(self, head_of=None, change=None, **delivery):
        """A task whose executor pushed its branch and opened a pull request; its verdict stands."""
        task = self.submit("true", verification=[TESTS], context=spec.WorkContext(repository=f"file://{self.repository.bare}", base_branch="main"),
                           delivery=spec.Delivery(push=True, pull_request=True, **delivery))
        head = (head_of or self.repository.branch)(f"agent/{task}")
        status, pull = self.forge.answer("POST", f"/repos/{NAME}/pulls", {}, {
            "title": "t", "head": f"agent/{task}", "base": "main"}, False)
        self.assertEqual(status, 201)
        report = checks.CheckReport(schema_version=1, change=checks.Change(
            repository=f"file://{self.repository.bare}", base_branch="main", base_commit=self.repository.base,
            head_commit=head, branch=f"agent/{task}", pushed=True, files_added=1, lines_added=1, paths=["docs/guide.md"],
            pull_request=checks.PullRequest(url=pull["html_url"], number=pull["number"])))
        report.steps.add(step=0, name="tests", check="test_passes", status=checks.STEP_STATUS_PASSED, evidence="ok", exit_code=0)
        if change is not None:
            change(report.change)
        agent = self.agent()
        agent.expect(agent.finish(task, agent.take(task), checks=report.SerializeToString()))
        self.await_state(task, "SUCCEEDED")
        wait_until(lambda: self.found(task).state == verification.VERIFICATION_STATE_CONCLUDED, f"a verdict on {task}")
        return task, head, pull["number"]

    def found(self, task):
        return self.admin.GetVerification(task_id=task).verification

    def outcomes(self, task):
        return [verification.OutcomeKind.Name(one.kind)[len("OUTCOME_KIND_"):] for one in self.found(task).outcomes]

    def poll(self, **forge):
        """A service that asks the forge; its first round is at its start."""
        line = f"{self.forge.url(self.manner)} file://{self.folder}/ env:STUB_FORGE_TOKEN"
        service = self.stack.add_verification({"forge": {"forges": [line], "interval": "10s", **forge}},
                                              {"STUB_FORGE_TOKEN": self.forge.token})

        def end():
            self.stack.verifications.remove(service)
            service.stop()
        self.addCleanup(end)
        return service

    def seen(self, service, outcome):
        """The round is over for a pull request that it said this of."""
        series = f'switchyard_verification_forge_polls_total{{outcome="{outcome}"}}'
        wait_until(lambda: service.metrics().get(series, 0) >= 1, f"{outcome} to be seen", 20)

    # The checks.
    def test_what_people_did_is_recorded(self):
        merged, head, number = self.deliver()
        closed, _, other = self.deliver(lambda branch: self.repository.branch(branch, text="Push it.\n"))
        still, _, _ = self.deliver(lambda branch: self.repository.branch(branch, text="Pull it.\n"))
        self.forge.merge_pull(NAME, self.forge.pulls[NAME][number - 1], head)
        self.forge.close_pull(NAME, other)
        service = self.poll()
        self.seen(service, "merged")
        self.seen(service, "rejected")
        self.seen(service, "open")
        self.assertEqual((self.outcomes(merged), self.outcomes(closed), self.outcomes(still)), (["MERGED"], ["REJECTED"], []))
        self.assertEqual(self.found(merged).outcomes[0].source, "forge")
        self.assertEqual(self.forge.count(f"/pulls/{number}$"), 1)

    def test_what_all_rules_allow_is_merged_at_the_commit_that_was_verified(self):
        task, head, _ = self.deliver(auto_merge=True)
        self.assertTrue(self.found(task).merge.eligible, self.found(task).merge.against)
        self.seen(self.poll(allow_auto_merge=True), "merged")
        self.assertEqual(self.outcomes(task), ["MERGED"])
        self.assertTrue(self.repository.holds(head))

    def test_nothing_is_merged_that_is_not_allowed_or_not_asked_for(self):
        before = self.repository.main()
        self.deliver(auto_merge=True)
        self.seen(self.poll(), "open")
        self.deliver(lambda branch: self.repository.branch(branch, text="Push it.\n"))
        self.forge.close_pull(NAME, 1)
        self.seen(self.poll(allow_auto_merge=True), "open")
        self.assertEqual(self.repository.main(), before)
        self.assertEqual(self.forge.count("/merge"), 0)

    def test_a_push_after_the_verdict_is_not_merged(self):
        task, _, _ = self.deliver(auto_merge=True)
        self.repository.commit("docs/guide.md", "Something else.\n")
        self.repository.push(f"agent/{task}")
        self.seen(self.poll(allow_auto_merge=True), "head_moved")
        self.assertEqual(self.forge.count("/merge"), 0)

    def test_a_base_that_went_on_is_not_merged_into(self):
        self.deliver(auto_merge=True)
        self.repository.run("git", "checkout", "-q", "--detach", self.repository.base)
        self.repository.commit("other.txt", "x\n")
        self.repository.push("main")
        self.seen(self.poll(allow_auto_merge=True), "base_behind")
        self.assertEqual(self.forge.count("/merge"), 0)

    def test_a_report_that_belittles_its_change_is_not_believed(self):
        task, _, _ = self.deliver(lambda branch: self.repository.branch(branch, "deploy/run.sh", "rm -rf /\n" * 900),
                                  auto_merge=True)
        self.assertTrue(self.found(task).merge.eligible)
        self.seen(self.poll(allow_auto_merge=True), "other_changes")
        self.assertEqual(self.forge.count("/merge"), 0)

    def test_a_report_that_names_the_pull_request_of_others_is_not_believed(self):
        head = self.repository.branch("feature")
        self.forge.answer("POST", f"/repos/{NAME}/pulls", {}, {"title": "t", "head": "feature", "base": "main"}, False)

        def lie(change):
            change.pull_request.number = 1
            change.head_commit = head
        task, _, _ = self.deliver(lambda branch: self.repository.branch(branch, text="Push it.\n"), lie, auto_merge=True)
        self.seen(self.poll(allow_auto_merge=True), "foreign")
        self.assertEqual((self.outcomes(task), self.forge.count("/merge")), ([], 0))

    def test_a_red_check_keeps_it_open(self):
        _, head, _ = self.deliver(auto_merge=True)
        self.forge.statuses[head] = "failure"
        self.seen(self.poll(allow_auto_merge=True), "status_failed")
        self.assertEqual(self.forge.count("/merge"), 0)

    def test_a_token_that_is_refused_is_said_and_nothing_breaks(self):
        task, _, _ = self.deliver()
        self.forge.fault("GET .*/pulls", status=401, times=1)
        self.seen(self.poll(), "forge_unauthorized")
        self.assertEqual(self.outcomes(task), [])


class GitHubPollingTest(ForgePolling, StackTest):
    manner = "github"


class GiteaPollingTest(ForgePolling, StackTest):
    manner = "gitea"


if __name__ == "__main__":
    unittest.main()
