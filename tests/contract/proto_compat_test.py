"""Breaking a contract fails with words that say what to do; adding to it passes."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "lib"))
import proto_compat  # noqa: E402

BASE = """
syntax = "proto3";
package sample.v1;
service SampleService {
  rpc Get(GetRequest) returns (GetResponse);
  rpc Watch(GetRequest) returns (stream GetResponse);
}
message GetRequest {
  string name = 1;
  int32 size = 2;
  repeated string tags = 3;
  oneof kind { string text = 4; bytes blob = 5; }
  message Inner { bool flag = 1; }
  Inner inner = 6;
  optional int32 limit = 7;
}
message GetResponse {}
enum Color {
  COLOR_UNSPECIFIED = 0;
  COLOR_RED = 1;
}
"""


def compiled(text):
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "proto"))
        with open(os.path.join(root, "proto", "sample.proto"), "w", encoding="utf-8") as file:
            file.write(text)
        return proto_compat.compile_protos(root)


class ProtoCompatTest(unittest.TestCase):
    def faults(self, old, new):
        self.assertIn(old, BASE)
        return proto_compat.breaking_changes(compiled(BASE), compiled(BASE.replace(old, new, 1)))

    def assert_fault(self, old, new, *words):
        faults = self.faults(old, new)
        self.assertEqual(len(faults), 1, faults)
        for word in ("proto/sample.proto: ", *words):
            self.assertIn(word, faults[0])

    def test_same_contract_passes(self):
        self.assertEqual(self.faults("", ""), [])

    def test_additions_pass(self):
        self.assertEqual(self.faults("int32 size = 2;", "int32 size = 2; int64 weight = 20;"), [])
        self.assertEqual(self.faults("COLOR_RED = 1;", "COLOR_RED = 1; COLOR_BLUE = 2;"), [])
        self.assertEqual(self.faults("message GetResponse {}", "message GetResponse {} message More {}"), [])
        self.assertEqual(self.faults("bytes blob = 5;", "bytes blob = 5; int32 number = 21;"), [])

    def test_removed_field_fails(self):
        self.assert_fault("int32 size = 2;", "", "GetRequest.size = 2 was removed", "reserve both its number and its name")

    def test_removed_field_with_only_its_number_reserved_fails(self):
        self.assert_fault("int32 size = 2;", "reserved 2;", "was removed")

    def test_removed_field_with_number_and_name_reserved_passes(self):
        self.assertEqual(self.faults("int32 size = 2;", 'reserved 2; reserved "size";'), [])

    def test_renumbered_field_fails(self):
        self.assert_fault("int32 size = 2;", "int32 size = 9;", "GetRequest.size was renumbered from 2 to 9")

    def test_reused_number_fails(self):
        self.assert_fault("int32 size = 2;", "int32 length = 2;", "number 2 belonged to 'size'", "'length'")

    def test_changed_type_fails(self):
        self.assert_fault("int32 size = 2;", "int64 size = 2;", "from int32 to int64")
        self.assert_fault("repeated string tags", "string tags", "from repeated string to string")
        self.assert_fault("Inner inner = 6;", "GetResponse inner = 6;", "to sample.v1.GetResponse")

    def test_field_moved_out_of_its_oneof_fails(self):
        self.assert_fault("oneof kind { string text = 4; bytes blob = 5; }",
                          "oneof kind { string text = 4; } bytes blob = 5;", "GetRequest.blob", "oneof")

    def test_lost_presence_fails(self):
        self.assert_fault("optional int32 limit", "int32 limit", "'optional'")

    def test_nested_messages_are_compared(self):
        self.assert_fault("bool flag = 1;", "bool flag = 2;", "GetRequest.Inner.flag was renumbered")

    def test_removed_or_renumbered_enum_value_fails(self):
        self.assert_fault("COLOR_RED = 1;", "", "Color.COLOR_RED = 1 was removed")
        self.assert_fault("COLOR_RED = 1;", "COLOR_RED = 3;", "COLOR_RED was renumbered from 1 to 3")

    def test_changed_methods_fail(self):
        self.assert_fault("rpc Get(GetRequest) returns (GetResponse);", "", "SampleService.Get was removed")
        self.assert_fault("rpc Get(GetRequest)", "rpc Get(GetResponse)", "request or response type")
        self.assert_fault("returns (stream GetResponse)", "returns (GetResponse)", "changed what it streams")

    def test_removed_message_fails(self):
        faults = proto_compat.breaking_changes(compiled(BASE), compiled('syntax = "proto3"; package sample.v1;'))
        self.assertTrue(any("message sample.v1.GetRequest was removed" in fault for fault in faults), faults)

    def test_fix_takes_additions_and_refuses_breaks(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "proto"))
            path = os.path.join(root, "proto", "sample.proto")

            def run(text, *options):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                script = os.path.join(ROOT, "tools", "lib", "proto_compat.py")
                return subprocess.run([sys.executable, "-B", script, root, *options], capture_output=True, text=True,
                                      check=False)

            self.assertIn("is missing", run(BASE).stdout)
            self.assertEqual(run(BASE, "--fix").returncode, 0)
            added = BASE.replace("int32 size = 2;", "int32 size = 2; int64 weight = 20;")
            self.assertEqual(run(added).returncode, 0)
            self.assertEqual(run(added, "--fix").returncode, 0)
            broken = run(BASE, "--fix")
            self.assertEqual(broken.returncode, 1)
            self.assertIn("weight = 20 was removed", broken.stdout)
            self.assertEqual(run(added).returncode, 0)

    def test_the_contracts_of_this_project_keep_to_their_baseline(self):
        script = os.path.join(ROOT, "tools", "lib", "proto_compat.py")
        done = subprocess.run([sys.executable, "-B", script, ROOT], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
