"""A forge on the loopback for tests: pull requests of repositories, as GitHub (/api/v3) and Gitea (/api/v1) have them.

With a folder of bare repositories (OWNER/NAME.git) heads are read there, and merging makes a real merge commit.
As a program it prints its port and serves until its standard input ends; it reads faults there, one JSON object a line.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

KINDS = ("status", "hang", "cut", "lost", "bad_json", "huge", "redirect")


class Conflict(Exception):
    def __init__(self, status, message, errors=()):
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors


class StubForge:
    """`token` is the one that is taken. Everything is safe to use from any thread."""

    def __init__(self, token="stub-token", git_root=None, web="https://forge.test"):
        self.token, self.git_root, self.web = token, git_root, web
        self.lock = threading.RLock()
        self.pulls = {}      # "acme/widget" -> list of dicts
        self.heads = {}      # ("acme/widget", "main") -> commit; without git_root
        self.behind = {}     # ("acme/widget") -> commits that a base is ahead by; without git_root
        self.statuses = {}   # commit -> "success", "pending", "failure"
        self.requests = []   # "POST /repos/acme/widget/pulls"
        self.faults = []
        self.lagging = 0
        self.lag_from = {}
        self.release = threading.Event()
        self.server = None

    # ---- What tests say.

    def fault(self, match, kind="status", times=1, **more):
        """The next `times` requests whose "METHOD /path" matches the pattern. Kinds: status (status=503, headers={}, body=...),
        hang, cut (before anything is done), lost (done, and no answer), bad_json, huge, redirect (to=URL)."""
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}")
        with self.lock:
            self.faults.append({"match": re.compile(match), "kind": kind, "times": times, **more})

    def lag(self, times):
        """The next `times` lists know nothing of pull requests that are opened from now on."""
        with self.lock:
            self.lagging = times
            self.lag_from = {name: len(pulls) for name, pulls in self.pulls.items()}

    def add_repository(self, name, heads=None):
        with self.lock:
            self.pulls.setdefault(name, [])
            for branch, commit in (heads or {}).items():
                self.heads[(name, branch)] = commit

    def set_head(self, name, branch, commit):
        with self.lock:
            self.heads[(name, branch)] = commit

    def close_pull(self, name, number):
        with self.lock:
            self.pulls[name][number - 1]["state"] = "closed"

    def count(self, pattern):
        with self.lock:
            return sum(1 for line in self.requests if re.search(pattern, line))

    # ---- Repositories.

    def git(self, name, *arguments):
        if self.git_root is None:
            return None
        path = os.path.join(self.git_root, name + ".git")
        done = subprocess.run(["git", "-C", path, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def known(self, name):
        if name in self.pulls:
            return True
        if self.git_root is not None and os.path.isdir(os.path.join(self.git_root, name + ".git")):
            self.pulls[name] = []
            return True
        return False

    def head(self, name, revision):
        found = self.git(name, "rev-parse", "--verify", "-q", revision + "^{commit}")
        if found is not None or self.git_root is not None:
            return found
        if re.fullmatch("[0-9a-f]{40}", revision):
            return revision
        return self.heads.get((name, revision))

    def ahead(self, name, base, head):
        counted = self.git(name, "rev-list", "--count", f"{base}..{head}")
        if counted is not None:
            return int(counted)
        return self.behind.get(name, 0) if (name, head) in self.heads and head in ("main", "master") else 1

    def merge(self, name, pull):
        if self.git_root is None:
            return
        base, head = self.head(name, pull["base"]), self.head(name, pull["head"])
        tree = self.git(name, "merge-tree", "--write-tree", base, head)
        if tree is None:
            raise Conflict(405, "Pull Request is not mergeable")
        commit = self.git(name, "-c", "user.name=forge", "-c", "user.email=forge@localhost", "commit-tree", tree,
                          "-p", base, "-p", head, "-m", f"Merge pull request #{pull['number']}")
        self.git(name, "update-ref", f"refs/heads/{pull['base']}", commit, base)

    # ---- Answers.

    def shown(self, name, pull, gitea, listed):
        head = self.head(name, pull["head"]) if pull["state"] == "open" else None
        if head is not None:
            pull["sha"] = head
        repo = {"full_name": name}
        merged = pull["state"] == "merged"
        shown = {
            "number": pull["number"], "html_url": f"{self.web}/{name}/pull/{pull['number']}",
            "state": "open" if pull["state"] == "open" else "closed",
            "title": pull["title"], "body": pull["body"], "draft": pull["draft"],
            "merged_at": "2030-01-01T00:00:00Z" if merged else None,
            "head": {"label": pull["head"] if gitea else f"{name.split('/')[0]}:{pull['head']}", "ref": pull["head"],
                     "sha": pull["sha"], "repo": repo},
            "base": {"label": pull["base"], "ref": pull["base"], "sha": self.head(name, pull["base"]), "repo": repo},
        }
        if gitea or not listed:
            shown["merged"], shown["mergeable"] = merged, not merged
        return shown

    def open_pull(self, name, body, gitea):
        head, base = body.get("head"), body.get("base")
        if not isinstance(body.get("title"), str) or not head or not base:
            raise Conflict(422, "Validation Failed", ["title, head and base are needed"])
        if self.head(name, head) is None or self.head(name, base) is None:
            raise Conflict(404 if gitea else 422, "Validation Failed", ["head or base is no branch"])
        if self.git_root is not None and self.ahead(name, base, head) == 0:
            raise Conflict(422, "Validation Failed", [f"No commits between {base} and {head}"])
        for pull in self.pulls[name]:
            if pull["head"] == head and pull["base"] == base and pull["state"] == "open":
                raise Conflict(409 if gitea else 422, "Validation Failed",
                               [f"A pull request already exists for {name.split('/')[0]}:{head}."])
        title = body["title"]
        pull = {"number": len(self.pulls[name]) + 1, "title": title, "body": body.get("body") or "", "head": head,
                "base": base, "state": "open", "sha": self.head(name, head),
                "draft": title.startswith("WIP: ") if gitea else bool(body.get("draft"))}
        self.pulls[name].append(pull)
        return pull

    def merge_pull(self, name, pull, expected):
        if pull["state"] != "open" or pull["draft"]:
            raise Conflict(405, "Pull Request is not mergeable")
        if expected and expected != self.head(name, pull["head"]):
            raise Conflict(409, "Head branch was modified. Review and try the merge again.")
        self.merge(name, pull)
        pull["state"] = "merged"

    def answer(self, method, path, query, body, gitea):
        """(status, JSON or None)."""
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)", path)
        if found is None or not self.known(found.group(1)):
            raise Conflict(404, "Not Found")
        name, rest = found.groups()
        if rest == "/pulls" and method == "POST":
            return 201, self.shown(name, self.open_pull(name, body, gitea), gitea, listed=False)
        if rest == "/pulls" and method == "GET":
            return 200, self.listed(name, query, gitea)
        found = re.fullmatch(r"/pulls/(\d+)(/merge|/files)?", rest)
        if found is not None:
            status, answer = self.answer_pull(method, name, int(found.group(1)), found.group(2), body, gitea)
            return status, self.paged(answer, query, gitea) if found.group(2) == "/files" else answer
        found = re.fullmatch(r"/compare/(.+)\.\.\.(.+)", rest)
        if found is not None and method == "GET":
            base, head = found.groups()
            if self.head(name, base) is None or self.head(name, head) is None:
                raise Conflict(404, "Not Found")
            ahead, behind = self.ahead(name, base, head), self.ahead(name, head, base)
            return 200, {"total_commits": ahead} if gitea else {"ahead_by": ahead, "behind_by": behind, "commits": []}
        found = re.fullmatch(r"/commits/(.+?)/(status|check-runs)", rest)
        if found is not None and method == "GET" and not (gitea and found.group(2) == "check-runs"):
            if found.group(2) == "check-runs":
                return 200, {"total_count": 0, "check_runs": []}
            state = self.statuses.get(self.head(name, found.group(1)))
            return 200, {"state": state or ("" if gitea else "pending"), "total_count": 1 if state else 0}
        raise Conflict(404, "Not Found")

    def listed(self, name, query, gitea):
        pulls = self.pulls[name]
        if self.lagging > 0:
            self.lagging -= 1
            pulls = pulls[:self.lag_from.get(name, 0)]
        state = query.get("state", ["open"])[0]
        pulls = [p for p in reversed(pulls) if state == "all" or (p["state"] == "open") == (state == "open")]
        # The one filters by branch, the other takes no notice.
        if not gitea and "head" in query:
            owner, _, branch = query["head"][0].partition(":")
            pulls = [p for p in pulls if p["head"] == branch and owner == name.split("/", maxsplit=1)[0]]
        return [self.shown(name, p, gitea, listed=True) for p in self.paged(pulls, query, gitea)]

    @staticmethod
    def paged(items, query, gitea):
        size = min(int(query.get("limit" if gitea else "per_page", ["30"])[0]), 50 if gitea else 100)
        page = int(query.get("page", ["1"])[0])
        return items[(page - 1) * size:page * size]

    def answer_pull(self, method, name, number, part, body, gitea):
        if not 1 <= number <= len(self.pulls[name]):
            raise Conflict(404, "Not Found")
        pull = self.pulls[name][number - 1]
        if part is None and method == "GET":
            return 200, self.shown(name, pull, gitea, listed=False)
        if part is None and method == "PATCH":
            pull["body"] = body.get("body", pull["body"])
            return 201 if gitea else 200, self.shown(name, pull, gitea, listed=False)
        if part == "/files" and method == "GET":
            return 200, self.files(name, pull)
        if part == "/merge" and method == ("POST" if gitea else "PUT"):
            if gitea and body.get("Do") not in ("merge", "squash", "rebase"):
                raise Conflict(422, "[Do]: Required")
            self.merge_pull(name, pull, body.get("head_commit_id" if gitea else "sha"))
            return 200, None if gitea else {"merged": True, "message": "Pull Request successfully merged"}
        raise Conflict(405, "Method Not Allowed")

    def files(self, name, pull):
        lines = self.git(name, "diff", "--numstat", "--no-renames", f"{pull['base']}...{pull['head']}") or ""
        names = self.git(name, "diff", "--name-status", "--no-renames", f"{pull['base']}...{pull['head']}") or ""
        kinds = {"A": "added", "D": "removed", "M": "modified"}
        status = {line.split("\t")[1]: kinds.get(line[0], "modified") for line in names.splitlines()}
        files = []
        for line in lines.splitlines():
            added, removed, path = line.split("\t")
            files.append({"filename": path, "status": status[path],
                          "additions": 0 if added == "-" else int(added),
                          "deletions": 0 if removed == "-" else int(removed)})
        return files

    def take_fault(self, line):
        with self.lock:
            for fault in self.faults:
                if fault["times"] > 0 and fault["match"].search(line):
                    fault["times"] -= 1
                    return fault
        return None

    # ---- Serving.

    def start(self):
        forge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_any(self):
                serve(forge, self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                # A client that went away is no news.
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    @property
    def port(self):
        return self.server.server_address[1]

    def url(self, manner="github"):
        return f"http://127.0.0.1:{self.port}/api/{'v1' if manner == 'gitea' else 'v3'}"

    def stop(self):
        self.release.set()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def reply(handler, status, body, headers=None):
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def close(handler, data=b""):
    handler.close_connection = True
    if data:
        handler.wfile.write(data)
    handler.wfile.flush()
    try:
        handler.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def play(forge, handler, fault):
    """True when the request is done with."""
    kind = fault["kind"]
    if kind == "status":
        reply(handler, fault["status"], fault.get("body", {"message": "a fault"}), fault.get("headers"))
    elif kind == "hang":
        forge.release.wait(600)
        close(handler)
    elif kind == "cut":
        close(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"num")
    elif kind == "bad_json":
        reply(handler, 200, b"<html>not what was asked for</html>")
    elif kind == "huge":
        reply(handler, 200, b"[" + b" " * (9 << 20) + b"]")
    elif kind == "redirect":
        reply(handler, 307, None, {"Location": fault["to"]})
    else:
        return False
    return True


def serve(forge, handler):
    parts = urlsplit(handler.path)
    length = int(handler.headers.get("Content-Length") or 0)
    raw = handler.rfile.read(length)
    found = re.fullmatch(r"/api/v([13])(/.*)", parts.path)
    if found is None:
        return reply(handler, 404, {"message": "Not Found"})
    gitea, path = found.group(1) == "1", unquote(found.group(2))
    line = f"{handler.command} {path}"
    with forge.lock:
        forge.requests.append(line)
    fault = forge.take_fault(line)
    if fault is not None and play(forge, handler, fault):
        return None
    words = (handler.headers.get("Authorization") or "").split(" ")
    if len(words) != 2 or words[0] not in ("token", "Bearer") or words[1] != forge.token:
        return reply(handler, 401, {"message": "Bad credentials"})
    try:
        body = json.loads(raw) if raw else {}
        with forge.lock:
            status, answer = forge.answer(handler.command, path, parse_qs(parts.query), body, gitea)
    except (ValueError, AttributeError):
        return reply(handler, 400, {"message": "Problems parsing JSON"})
    except Conflict as conflict:
        return reply(handler, conflict.status, {"message": conflict.message,
                                                "errors": [{"message": error} for error in conflict.errors]})
    if fault is not None and fault["kind"] == "lost":
        return close(handler)
    return reply(handler, status, answer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--token", default="stub-token")
    parser.add_argument("--git-root")
    parser.add_argument("--repository", action="append", default=[], help="OWNER/NAME:BRANCH=COMMIT,...")
    options = parser.parse_args()
    with StubForge(options.token, options.git_root) as forge:
        for text in options.repository:
            name, _, heads = text.partition(":")
            forge.add_repository(name, dict(part.split("=") for part in heads.split(",") if part))
        print(forge.port, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            if "lag" in order:
                forge.lag(order["lag"])
            elif "head" in order:
                forge.set_head(*order["head"])
            elif "close" in order:
                forge.close_pull(*order["close"])
            else:
                forge.fault(**order)
            print("ok", flush=True)


if __name__ == "__main__":
    main()
