"""Clang's thread-safety analysis over the project's own sources: guarded fields are touched only under their mutex.

usage: thread_safety.py ROOT BUILD_DIR JOBS
A source that passed is not read again until it, or a header of the project that it reaches, changes.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
# What the analysis has something to say about.
LOCKING = re.compile(r"\b(Mutex|MutexLock|ABSL_(PT_)?GUARDED_BY|ABSL_\w*LOCK\w*)\b")
# What a compiler of another make needs from a command line that was written for g++.
KEEP = ("-I", "-isystem", "-D", "-std=")


def arguments(entry):
    words, kept = shlex.split(entry["command"]), []
    for at, word in enumerate(words):
        if word.startswith(KEEP):
            kept.append(word)
            if word in ("-I", "-isystem", "-D"):
                kept.append(words[at + 1])
    return kept


def reached(root, build, source):
    """The source and every header of the project that it reaches, generated ones too."""
    roots, queue, seen = (root, os.path.join(build, "generated")), [source], {source}
    while queue:
        for name in INCLUDE.findall(text_of(queue.pop())):
            for at in roots:
                path = os.path.join(at, name)
                if path not in seen and os.path.exists(path):
                    seen.add(path)
                    queue.append(path)
    return seen


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def concerned(root, source):
    """Whether the source, or a header of its own folder that it names, guards something: members are touched where
    their class is at home."""
    text, home = text_of(source), os.path.dirname(source)
    near = (os.path.join(root, name) for name in INCLUDE.findall(text))
    near = (path for path in near if os.path.dirname(path) == home and os.path.exists(path))
    return any(LOCKING.search(one) for one in (text, *(text_of(path) for path in near)))


def key_of(files, command):
    digest = hashlib.sha256("\0".join(command).encode())
    for name in sorted(files):
        with open(name, "rb") as file:
            digest.update(name.encode() + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def sources_of(entries):
    """Each source with the command that compiles it, also where several are compiled as one."""
    for entry in entries:
        source = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        if os.sep + "Unity" + os.sep not in source:
            yield entry, source
        elif os.path.exists(source):
            for name in INCLUDE.findall(text_of(source)):
                yield entry, os.path.realpath(name)


def main():
    root, build, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    cache = os.path.join(root, ".switchyard", "thread-safety")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    work, keys = [], set()
    for entry, source in sources_of(entries):
        if not source.startswith(root + os.sep) or source.startswith(build + os.sep):
            continue
        # What ships: a test that forgets a lock fails by itself, and they are half of all.
        if source.endswith("_test.cc") or not concerned(root, source):
            continue
        files = reached(root, build, source)
        command = ["clang++", "-fsyntax-only", "-Wno-everything", "-Wthread-safety", "-Werror=thread-safety",
                   *arguments(entry), source]
        key = key_of(files, command)
        keys.add(key)
        if not os.path.exists(os.path.join(cache, key)):
            work.append((source, command, key))

    def analyse(item):
        source, command, key = item
        done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            with open(os.path.join(cache, key), "w", encoding="utf-8"):
                pass
        return source, done

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, done in pool.map(analyse, work):
            if done.returncode != 0:
                failed += 1
                print(done.stderr.replace(root + os.sep, ""), end="")
    for name in os.listdir(cache):
        if name not in keys:
            os.unlink(os.path.join(cache, name))
    print(f"    {len(keys)} sources deal with locks; {len(work)} were analysed now, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
