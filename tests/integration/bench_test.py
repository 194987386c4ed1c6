"""The benchmarks with agents, in their shortest form: they run, count no error and leave nothing behind."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from stack import BIN, clean_environment  # noqa: E402

MISSED = 3


class BenchTest(unittest.TestCase):
    def run_short(self, scenario, *flags):
        """What it reports. What it measured in a second tells nothing, so a missed target is none."""
        with tempfile.TemporaryDirectory(prefix="sybench.", dir="/tmp") as folder:
            # The user that tasks run as passes through it.
            os.chmod(folder, 0o711)
            done = subprocess.run(
                [os.path.join(BIN, "switchyard-bench"), scenario, "--json", "--seconds=1", "--warmup=0.5", *flags],
                capture_output=True, text=True, check=False, timeout=200, stdin=subprocess.DEVNULL,
                env={**clean_environment(), "TMPDIR": folder})
            self.assertIn(done.returncode, (0, MISSED), done.stderr)
            self.assertEqual(os.listdir(folder), [])
        report = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((report["scenario"], report["errors"]), (scenario, 0), done.stderr)
        return report

    def test_dispatch(self):
        self.assertEqual(self.run_short("dispatch-latency", "--agents=2")["details"]["agents"], 2)

    def test_lives_through_every_service(self):
        report = self.run_short("e2e", "--agents=4", "--in-flight=16")
        self.assertIn("open_p99_ms", report["details"])
        self.assertIn("bytes_per_task", report["coordination"])
        self.assertIn("messages_per_task", report["coordination"])
        self.assertIn("hub", report["coordination"]["cpu_us_per_task"])

    def test_idle_agents(self):
        report = self.run_short("agents", "--agents=20")
        self.assertGreater(report["details"]["hub_mb_20"], 0)

    def test_a_slow_reader(self):
        self.assertIn("hub_mb_most", self.run_short("slow-reader", "--agents=2")["details"])

    def test_what_checks_and_verdict_add(self):
        details = self.run_short("verify")["details"]
        self.assertEqual((details["steps"], details["sandboxed"]), (5, 1))
        self.assertGreater(details["program_step_p50_ms"], 0)
        self.assertGreater(details["evidence_to_finished_p50_ms"], 0)
        self.assertGreater(details["with_steps_p50_ms"], 0)

    def test_a_prompt_and_its_overhead(self):
        details = self.run_short("llm-overhead")["details"]
        self.assertGreater(details["submit_to_first_byte_p50_ms"], 0)
        self.assertGreater(details["last_byte_to_done_p50_ms"], 0)

    def test_more_prompts_than_endpoints_take(self):
        report = self.run_short("e2e-llm")
        over = next(target for target in report["targets"] if target["name"] == "over_capacity")
        self.assertEqual(over["measured"], 0, "never more than there is")


if __name__ == "__main__":
    unittest.main()
