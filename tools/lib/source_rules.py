"""The rules of the sources that reading them can check. Each rule yields "file:line: what is wrong, what to do".

usage: source_rules.py ROOT [--fix]        file names come on standard input, NUL between them
"""

import hashlib
import os
import re
import sys

HEADER_LINES, SOURCE_LINES, TEST_LINES, MAIN_LINES = 250, 500, 900, 40

CODE = (".h", ".cc")
SCRIPT = (".sh", ".py")

# Where a name stands for a whole folder. Each exception has its reason.
CLOCK_EXEMPT = (
    "libs/base/",  # the only home of clocks, waits and randomness
    "libs/testing/",  # waits of tests for processes that they do not control
    "tools/benchmarks/",  # measures, and only measures, wall time
)
SQL_EXEMPT = (
    "libs/testing/",  # makes and drops throw-away databases
    "tools/benchmarks/",  # the floor that rates are compared with
)


class Tree:
    """The files of the project by name, read once."""

    def __init__(self, root, names):
        self.root = root
        self.names = sorted(names)
        self._text = {}

    def text(self, name):
        if name not in self._text:
            try:
                with open(os.path.join(self.root, name), encoding="utf-8") as file:
                    self._text[name] = file.read()
            except UnicodeDecodeError:
                self._text[name] = ""
        return self._text[name]

    def lines(self, name):
        return enumerate(self.text(name).splitlines(), 1)

    def code(self, name):
        """Numbered lines without comments, so that prose may name what code may not."""
        return enumerate(without_comments(self.text(name)).splitlines(), 1)

    def of(self, *suffixes):
        return [name for name in self.names if name.endswith(suffixes)]


def without_comments(text):
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)

    def keep(match):
        found = match.group(0)
        return re.sub(r"[^\n]", " ", found) if found.startswith("/") else found

    return pattern.sub(keep, text)


def without_strings(line):
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', line)


def is_test(name):
    return name.endswith(("_test.cc", "_test.py", "_test.sh")) or name.startswith("tests/")


def is_bench(name):
    return name.endswith("_bench.cc") or name.startswith("tools/benchmarks/")


def file_lengths(tree):
    for name in tree.of(*CODE, *SCRIPT):
        count = tree.text(name).count("\n")
        limit = HEADER_LINES if name.endswith(".h") else TEST_LINES if is_test(name) else SOURCE_LINES
        if name.startswith("services/") and os.path.basename(name) == "main.cc":
            limit = MAIN_LINES
        if count > limit:
            yield f"{name}:{count}: has {count} lines, more than the {limit} allowed: split it by subject"


def text_hygiene(tree):
    for name in tree.of(*CODE, *SCRIPT, ".sql", ".proto", ".cmake", ".txt", ".md", ".yaml", ".json"):
        text = tree.text(name)
        if "\r" in text:
            yield f"{name}:1: has carriage returns"
        if text and not text.endswith("\n"):
            yield f"{name}:{text.count(chr(10)) + 1}: does not end with a newline"
        if not name.endswith(".md"):
            for number, line in tree.lines(name):
                if line != line.rstrip():
                    yield f"{name}:{number}: ends with a blank"


def includes(tree):
    for name in tree.of(*CODE):
        if name.endswith(".h") and "#pragma once" not in tree.text(name):
            yield f"{name}:1: a header begins with #pragma once"
        for number, line in tree.code(name):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if match and ("/" not in match.group(1) or ".." in match.group(1)):
                yield f'{name}:{number}: include "{match.group(1)}" by its full path from the root'


def layers(tree):
    """libs never names a service; no service includes another's headers, but for the one that composes them."""
    for name in tree.of(*CODE):
        parts = name.split("/")
        for number, line in tree.code(name):
            match = re.match(r'\s*#\s*include\s*"services/([^/"]+)/', line)
            if not match:
                continue
            if parts[0] == "libs":
                yield f"{name}:{number}: libs never names a service"
            elif parts[0] == "services" and match.group(1) != parts[1] and parts[1] not in ("all_in_one",):
                yield f"{name}:{number}: services talk only over proto/; this includes a header of {match.group(1)}"


def postgres_border(tree):
    for name in tree.of(*CODE):
        if name.startswith("libs/pg/"):
            continue
        for number, line in tree.code(name):
            if re.match(r'\s*#\s*include\s*[<"](pqxx|libpq|postgresql/)', line):
                yield f"{name}:{number}: only libs/pg includes pqxx or libpq"


def grpc_status_border(tree):
    pattern = re.compile(r"(?:::)?grpc::Status(?:\s*[({](?!\w[\w:]*::\*)|Code\b|::(?:OK|CANCELLED)\b)")
    for name in tree.of(*CODE):
        if name.startswith("libs/rpc/") or is_test(name):
            continue
        for number, line in tree.code(name):
            if pattern.search(without_strings(line)):
                yield f"{name}:{number}: only libs/rpc builds a grpc::Status; return an absl::Status and convert it there"


def clocks(tree):
    pattern = re.compile(
        r"absl::Now\s*\(|_clock::now|\b(?:u|nano)?sleep\s*\(|\bsleep_(?:for|until)\b|\bSleepFor\s*\(|"
        r"\brandom_device\b|\bgettimeofday\s*\(|\bclock_gettime\s*\(|\bstd::time\s*\(|\bstd::rand\b|\babsl::BitGen\b"
    )
    for name in tree.of(*CODE):
        if name.startswith(CLOCK_EXEMPT) or is_bench(name):
            continue
        for number, line in tree.code(name):
            match = pattern.search(without_strings(line))
            if match:
                yield (f"{name}:{number}: {match.group(0).strip('( ')} outside libs/base: take a Clock&, IdSource& or "
                       "Rng&")


def sql_in_code(tree):
    pattern = re.compile(
        r'"\s*(?:(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE (?:TABLE|SCHEMA|INDEX)|ALTER TABLE|DROP)\s|'
        r"(?i:select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s\w+))"
    )
    for name in tree.of(*CODE):
        if name.startswith(SQL_EXEMPT) or is_test(name) or is_bench(name):
            continue
        # An opening R"( counts as a quote too.
        for number, line in tree.code(name):
            if pattern.search(re.sub(r'R"\w*\(', '"', line)):
                yield f"{name}:{number}: SQL text in code: put the statement into a file under sql/queries"


def sql_statements(tree):
    """One statement in a query file, so that its name can label it."""
    for name in tree.of(".sql"):
        if "/queries/" not in name:
            continue
        text = re.sub(r"--[^\n]*|/\*.*?\*/", "", tree.text(name), flags=re.S)
        text = re.sub(r"\$(\w*)\$.*?\$\1\$|'(?:''|[^'])*'|\"[^\"]*\"", "''", text, flags=re.S)
        statements = [part for part in text.split(";") if part.strip()]
        if len(statements) != 1:
            yield f"{name}:1: has {len(statements)} statements; a query file has exactly one"


def unfinished_marks(tree):
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
    pattern = re.compile(rf"\b(?:{marks})\b(?!\([\w@.#-]+\))")
    for name in tree.of(*CODE, *SCRIPT, ".sql", ".proto", ".cmake", ".txt", ".md"):
        for number, line in tree.lines(name):
            match = pattern.search(line)
            if match:
                yield f"{name}:{number}: {match.group(0)} without an owner: finish it, or write {match.group(0)}(owner)"


def registry_hosts(tree):
    """Where packages come from is the machine's business."""
    pattern = re.compile(r"\b(?:deb|archive|security|registry|pypi|files|ghcr|quay|docker|index|proxy|static)\.[\w.-]*"
                         r"(?:debian|ubuntu|npmjs|python|pythonhosted|docker|golang|crates|pypi)?\.(?:org|io|com)\b")
    for name in tree.names:
        if name.startswith("docs/") or name == "LICENSE":
            continue
        for number, line in tree.lines(name):
            match = pattern.search(line)
            if match:
                yield f"{name}:{number}: names the registry {match.group(0)}: read it from the machine's configuration"


RULES = [file_lengths, text_hygiene, includes, layers, postgres_border, grpc_status_border, clocks, sql_in_code,
         sql_statements, unfinished_marks, registry_hosts]


def migrations(tree, fix):
    """Migrations never change once their checksum is committed. With fix, new ones are added; nothing is rewritten."""
    folders = sorted({os.path.dirname(name) for name in tree.of(".sql") if "/sql/migrations/" in name} |
                     {os.path.dirname(name) for name in tree.names if name.endswith("/sql/migrations/CHECKSUMS")})
    for folder in folders:
        listed = os.path.join(folder, "CHECKSUMS")
        path = os.path.join(tree.root, listed)
        known, new = {}, []
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                known = {name: digest for digest, name in (line.split() for line in file if line.strip())}
        present = {}
        for name in tree.of(".sql"):
            if os.path.dirname(name) == folder:
                with open(os.path.join(tree.root, name), "rb") as file:
                    present[os.path.basename(name)] = hashlib.sha256(file.read()).hexdigest()
        for name, digest in known.items():
            if name not in present:
                yield f"{folder}/{name}:1: this migration is gone; databases have it, so it must stay"
            elif present[name] != digest:
                yield f"{folder}/{name}:1: this migration was edited after it was merged: undo that and add a new one"
        for name in sorted(present, key=migration_number):
            if name not in known:
                new.append(name)
        last = max((migration_number(name) for name in known), default=0)
        for name in new:
            if migration_number(name) <= last:
                yield f"{folder}/{name}:1: its number is not above {last}, the newest merged one"
            elif not fix:
                yield f"{listed}:1: lacks {name}; tools/check --fix adds it, from then on it is fixed"
        if fix and new:
            with open(path, "a", encoding="utf-8") as file:
                file.writelines(f"{present[name]}  {name}\n" for name in new if migration_number(name) > last)


def migration_number(name):
    match = re.match(r"V0*(\d+)__", name)
    return int(match.group(1)) if match else 0


def main():
    root, fix = sys.argv[1], "--fix" in sys.argv[2:]
    names = [name for name in sys.stdin.read().split("\0") if name]
    tree = Tree(root, names)
    from core_layers import core_layers  # beside this file
    faults = 0
    for rule in RULES + [core_layers, lambda t: migrations(t, fix)]:
        for fault in rule(tree):
            print(fault)
            faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
