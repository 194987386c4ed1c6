"""A private Postgres cluster in a folder of its own, reached through a Unix socket only."""

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

from waiting import wait_until

SETTINGS = {"listen_addresses": "", "max_connections": "200", "shared_buffers": "64MB", "log_min_messages": "fatal"}
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class Postgres:
    """Not durable unless asked: then a stop without warning may lose what was committed."""

    def __init__(self, durable=False):
        self.durable = durable
        folders = glob.glob("/usr/lib/postgresql/*/bin")
        if not folders:
            raise AssertionError("no Postgres under /usr/lib/postgresql")
        self.bin = max(folders, key=lambda path: int(path.split("/")[4]))
        self.folder = tempfile.mkdtemp(prefix="sypy.", dir="/tmp")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.process = None
        self.user = None
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        try:
            done = subprocess.run(
                self._as_user([f"{self.bin}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                               "--locale=C", "--no-sync", "--no-instructions"]),
                capture_output=True, text=True, check=False, cwd="/")
            if done.returncode != 0:
                raise AssertionError(f"initdb failed: {done.stderr}")
            self.start()
            self.sql("CREATE ROLE switchyard LOGIN", database="postgres")
            self.sql("CREATE DATABASE switchyard OWNER switchyard", database="postgres")
        except BaseException:
            self.close()
            raise

    def _as_user(self, argv):
        """Ends with its parent, whatever happens to that; so it must be started by the main thread."""
        whole = ["setpriv", "--pdeathsig", "QUIT"]
        if self.user is not None:
            whole += [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        return [*whole, "--", *argv]

    def start(self):
        argv = [f"{self.bin}/postgres", "-D", self.data, "-k", self.folder]
        for name, value in {**SETTINGS, **({} if self.durable else FAST)}.items():
            argv += ["-c", f"{name}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self._as_user(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, cwd="/")
        wait_until(self._answers, "Postgres to answer", timeout=60)

    def _answers(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"Postgres ended: {log.read()[-2000:]}")
        return self._psql("SELECT 1", "postgres", "postgres").returncode == 0

    def stop_immediately(self):
        """As `pg_ctl stop -m immediate`: nothing is flushed, all connections break."""
        self._stop(signal.SIGQUIT)

    def _stop(self, how):
        if self.process is None:
            return
        self.resume()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def processes(self):
        """The server and its children. Only what descends from our own is ever signalled."""
        if self.process is None or self.process.poll() is not None:
            return []
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as children:
            return [self.process.pid, *map(int, children.read().split())]

    def stall(self):
        """Every process of the server stands still, as on a host whose disk hangs. The server first: until it stands it may
        have another child."""
        _freeze(self.processes()[:1])
        _freeze(self.processes()[1:])

    def resume(self):
        _signal(self.processes(), signal.SIGCONT)

    def close(self):
        self._stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _psql(self, statement, database, user):
        return subprocess.run(
            [f"{self.bin}/psql", "-h", self.folder, "-U", user, "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1",
             "-F", "\t", "-c", statement],
            capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)

    def sql(self, statement, database="switchyard"):
        """Rows as lists of text."""
        done = self._psql(statement, database, "postgres")
        if done.returncode != 0:
            raise AssertionError(f"{statement}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def value(self, statement):
        return self.sql(statement)[0][0]

    def session(self):
        return Session(self)


def _signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _freeze(pids):
    _signal(pids, signal.SIGSTOP)
    wait_until(lambda: all(map(_stands, pids)), "Postgres to stand still")


def _stands(pid):
    """Stopped, or ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "TtZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Session:
    """One psql that stays, for transactions that are held open."""

    def __init__(self, postgres):
        self.process = subprocess.Popen(
            [f"{postgres.bin}/psql", "-h", postgres.folder, "-U", "postgres", "-d", "switchyard", "-XAtq", "-v",
             "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, statement):
        """Returns the lines that it printed."""
        self.process.stdin.write(f"{statement};\n\\echo switchyard-done\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.strip() == "switchyard-done":
                return lines
            lines.append(line.rstrip("\n"))
        raise AssertionError(f"{statement}: {lines}")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def quoted(text):
    if not re.fullmatch(r"[\w.:/ +-]*", text):
        raise ValueError(text)
    return f"'{text}'"
