"""Every source rule finds what it is for, at its line, and leaves alone what it should."""

import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "lib"))
import core_layers  # noqa: E402
import source_rules  # noqa: E402


class SourceRulesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def tree(self, **files):
        return self.tree_of(files)

    def tree_of(self, files):
        for name, text in files.items():
            path = os.path.join(self.folder.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return source_rules.Tree(self.folder.name, files)

    def faults(self, rule, files):
        return list(rule(self.tree_of(files)))

    def assert_found(self, rule, name, text, *places):
        found = [fault.split(": ")[0] for fault in self.faults(rule, {name: text})]
        self.assertEqual(found, [f"{name}:{line}" for line in places])

    def test_long_files_are_found_by_kind(self):
        rule = source_rules.file_lengths
        self.assert_found(rule, "libs/a/a.h", "x\n" * 251, 251)
        self.assert_found(rule, "libs/a/a.h", "x\n" * 250)
        self.assert_found(rule, "libs/a/a.cc", "x\n" * 501, 501)
        self.assert_found(rule, "libs/a/a_test.cc", "x\n" * 900)
        self.assert_found(rule, "services/a/main.cc", "x\n" * 41, 41)

    def test_clocks_are_found_outside_base(self):
        rule = source_rules.clocks
        self.assert_found(rule, "services/a/a.cc", "int x;\nauto t = absl::Now();\n", 2)
        self.assert_found(rule, "services/a/a.cc", "std::this_thread::sleep_for(x);\n", 1)
        self.assert_found(rule, "services/a/a_test.cc", "std::chrono::steady_clock::now();\n", 1)
        self.assert_found(rule, "libs/base/a.cc", "absl::Now();\n")
        self.assert_found(rule, "services/a/a.cc", '// absl::Now() is not used\nLog("sleep(1)");\n')

    def test_grpc_statuses_are_found_outside_rpc(self):
        rule = source_rules.grpc_status_border
        self.assert_found(rule, "services/a/a.cc", "return grpc::Status(code, text);\n", 1)
        self.assert_found(rule, "services/a/a.cc", "return grpc::Status::OK;\n", 1)
        self.assert_found(rule, "services/a/a.cc", "x = grpc::StatusCode::INTERNAL;\n", 1)
        self.assert_found(rule, "services/a/a.cc", "void Done(const grpc::Status& status, grpc::Status (Stub::*method)(int));\n")
        self.assert_found(rule, "libs/rpc/a.cc", "return grpc::Status(code, text);\n")

    def test_postgres_headers_are_found_outside_pg(self):
        rule = source_rules.postgres_border
        self.assert_found(rule, "services/a/a.cc", "#include <pqxx/pqxx>\n", 1)
        self.assert_found(rule, "libs/testing/a.cc", "#include <libpq-fe.h>\n", 1)
        self.assert_found(rule, "libs/pg/a.cc", "#include <pqxx/pqxx>\n")

    def test_sql_text_is_found_in_code(self):
        rule = source_rules.sql_in_code
        self.assert_found(rule, "services/a/a.cc", 'Run("SELECT 1");\n', 1)
        self.assert_found(rule, "services/a/a.cc", 'Run(R"(INSERT INTO x)");\n', 1)
        self.assert_found(rule, "services/a/a.cc", 'Run("delete from task");\n', 1)
        self.assert_found(rule, "services/a/a.cc", 'Log("update the task", "Select one");\n')

    def test_a_query_file_has_one_statement(self):
        rule = source_rules.sql_statements
        self.assert_found(rule, "services/a/sql/queries/a.sql", "SELECT ';'; -- one; two\n")
        self.assert_found(rule, "services/a/sql/queries/a.sql", "SELECT 1; SELECT 2;\n", 1)
        self.assert_found(rule, "services/a/sql/queries/a.sql", "-- nothing\n", 1)

    def test_layers_are_kept(self):
        rule = source_rules.layers
        self.assert_found(rule, "libs/a/a.cc", '#include "services/b/b.h"\n', 1)
        self.assert_found(rule, "services/a/a.cc", '#include "services/b/b.h"\n', 1)
        self.assert_found(rule, "services/a/a.cc", '#include "services/a/b.h"\n')

    def test_includes_are_by_full_path(self):
        rule = source_rules.includes
        self.assert_found(rule, "libs/a/a.cc", '#include "b.h"\n#include "../c/c.h"\n#include "libs/a/b.h"\n', 1, 2)
        self.assert_found(rule, "libs/a/a.h", "int x;\n", 1)

    def test_unfinished_marks_need_an_owner(self):
        mark = "TO" + "DO"
        self.assert_found(source_rules.unfinished_marks, "libs/a/a.cc", f"// {mark}: later\n// {mark}(ada): later\n", 1)

    def test_registry_hosts_are_found(self):
        host = ".".join(("deb", "debian", "org"))
        self.assert_found(source_rules.registry_hosts, "tools/a.sh", f"x\ncurl http://{host}/debian\n", 2)
        self.assert_found(source_rules.registry_hosts, "tools/a.sh", "curl localhost; see registry.cc and deb.h\n")

    def test_edited_and_removed_migrations_are_found_and_never_accepted(self):
        folder = "services/a/sql/migrations"
        tree = self.tree_of({f"{folder}/V001__a.sql": "CREATE TABLE a ();\n"})
        self.assertIn("lacks V001__a.sql", list(source_rules.migrations(tree, False))[0])
        self.assertEqual(list(source_rules.migrations(tree, True)), [])
        self.assertEqual(list(source_rules.migrations(tree, False)), [])
        edited = self.tree_of({f"{folder}/V001__a.sql": "CREATE TABLE b ();\n", f"{folder}/V002__b.sql": "x\n"})
        for fix in (True, False):
            self.assertIn("was edited after it was merged", list(source_rules.migrations(edited, fix))[0])
        removed = self.tree_of({f"{folder}/V002__b.sql": "x\n"})
        self.assertIn("V001__a.sql:1: this migration is gone", list(source_rules.migrations(removed, False))[0])

    def test_a_core_that_reaches_grpc_is_found(self):
        files = {
            "services/a/CMakeLists.txt": "sy_library(a_core SOURCES a.cc DEPS b)\nsy_library(b SOURCES b.cc DEPS gRPC::grpc++)\n",
            "services/a/a.cc": '#include "services/a/a.h"\n',
            "services/a/a.h": "#include <vector>\n#include <pqxx/pqxx>\n",
            "services/a/b.cc": "#include <grpcpp/grpcpp.h>\n",
        }
        faults = self.faults(core_layers.core_layers, files)
        self.assertEqual(len(faults), 2, faults)
        self.assertIn("a_core links b -> gRPC::grpc++", faults[0])
        self.assertIn("services/a/a.h:2: includes pqxx/pqxx", faults[1])

    def test_a_core_on_its_own_passes(self):
        files = {
            "services/a/CMakeLists.txt": "sy_library(a_core SOURCES a.cc DEPS switchyard_base)\nsy_library(a_rpc DEPS a_core gRPC::grpc++)\n",
            "services/a/a.cc": "#include <vector>\n",
        }
        self.assertEqual(self.faults(core_layers.core_layers, files), [])


if __name__ == "__main__":
    unittest.main()
