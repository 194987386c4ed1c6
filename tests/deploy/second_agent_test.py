"""A second machine joins with one line: from the .deb, over TLS, between two network namespaces."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from fleet import RULES  # noqa: E402
from postgres import Postgres  # noqa: E402
from stack import BIN, clean_environment  # noqa: E402
from waiting import wait_until  # noqa: E402

# Addresses of these namespaces only; nothing else routes to them.
SERVER, AGENT, PORT = "10.231.8.1", "10.231.8.2", 7400


def quiet(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env=clean_environment(),
                          stdin=subprocess.DEVNULL)


def must(*argv):
    done = quiet(*argv)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


class SecondAgentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "dpkg-deb", "cpack"))):
            raise unittest.SkipTest("needs root, iproute2, dpkg-deb and cpack")
        cls.build = os.path.dirname(BIN)
        if not os.path.exists(os.path.join(cls.build, "CPackConfig.cmake")):
            raise unittest.SkipTest("there is no build to package")
        cls.server_ns, cls.agent_ns = f"sy-h-{os.getpid()}", f"sy-a-{os.getpid()}"
        cls.folder = tempfile.mkdtemp(prefix="syagent.", dir="/tmp")
        os.chmod(cls.folder, 0o711)
        cls.processes, cls.postgres = [], None
        try:
            probe = quiet("ip", "netns", "add", cls.server_ns)
            if probe.returncode != 0:
                raise unittest.SkipTest(f"no network namespaces here: {probe.stderr.strip()}")
            cls.connect_namespaces()
            cls.install_server()
            cls.install_agent()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def connect_namespaces(cls):
        must("ip", "netns", "add", cls.agent_ns)
        left, right = f"syh{os.getpid() % 100000}", f"sya{os.getpid() % 100000}"
        must("ip", "link", "add", left, "netns", cls.server_ns, "type", "veth", "peer", "name", right, "netns", cls.agent_ns)
        for namespace, device, address in ((cls.server_ns, left, SERVER), (cls.agent_ns, right, AGENT)):
            must("ip", "-n", namespace, "addr", "add", f"{address}/30", "dev", device)
            must("ip", "-n", namespace, "link", "set", device, "up")
            must("ip", "-n", namespace, "link", "set", "lo", "up")

    @classmethod
    def install_server(cls):
        cls.postgres = Postgres()
        database = f"--database.host={cls.postgres.folder}"
        must(f"{BIN}/switchyard", "migrate", database)
        must(f"{BIN}/switchyard", "token", "issue", "--name=admin", "--scopes=admin", f"--out={cls.folder}/admin.token",
             database)
        cls.tls = f"{cls.folder}/tls"
        must(f"{BIN}/switchyard", "tls", "init", f"--dir={cls.tls}", f"--hosts={SERVER}")
        config = {"server": {"listen": f"{SERVER}:{PORT}", "metrics_listen": "127.0.0.1:0", "drain_deadline": "2s",
                             "tls": {"cert_file": f"{cls.tls}/server.crt", "key_file": f"{cls.tls}/server.key"}},
                  "database": {"host": cls.postgres.folder},
                  "agent_hub": {"time": {"heartbeat": "1s"},
                                "enrollment": {"addresses": [f"{SERVER}:{PORT}"], "ca_file": f"{cls.tls}/ca.crt"}}}
        log = cls.start("switchyard", cls.server_ns, config, f"{BIN}/switchyard", "run")

        def ready():
            with open(log, encoding="utf-8") as lines:
                return '"ready":true' in lines.read()
        wait_until(ready, "the services to be ready", 30)

    @classmethod
    def install_agent(cls):
        must("cpack", "--config", os.path.join(cls.build, "CPackConfig.cmake"), "-G", "DEB", "-D",
             "CPACK_COMPONENTS_ALL=agent", "-B", f"{cls.folder}/packages")
        [package] = glob.glob(f"{cls.folder}/packages/yard-agent_*.deb")
        cls.root = f"{cls.folder}/root"
        must("dpkg-deb", "-x", package, cls.root)
        cls.data = f"{cls.folder}/data"
        os.mkdir(cls.data, 0o711)
        with open(f"{cls.data}/allowlist.yaml", "w", encoding="utf-8") as file:
            yaml.safe_dump({"rules": RULES}, file)
        os.chmod(f"{cls.data}/allowlist.yaml", 0o600)

    @classmethod
    def start(cls, name, namespace, config, *argv):
        path, log = f"{cls.folder}/{name}.yaml", f"{cls.folder}/{name}.log"
        if config is not None:
            with open(path, "w", encoding="utf-8") as file:
                yaml.safe_dump(config, file)
            argv = [*argv, f"--config={path}"]
        with open(log, "wb") as out:
            cls.processes.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", "ip", "netns", "exec", namespace, *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=clean_environment(), start_new_session=True))
        return log

    @classmethod
    def tearDownClass(cls):
        for process in reversed(cls.processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if cls.postgres is not None:
            cls.postgres.close()
        for namespace in (cls.server_ns, cls.agent_ns):
            quiet("ip", "netns", "del", namespace)
        shutil.rmtree(cls.folder, ignore_errors=True)

    def yard_agent(self, *arguments):
        return quiet("ip", "netns", "exec", self.agent_ns, f"{self.root}/usr/bin/yard-agent", *arguments,
                     f"--data-dir={self.data}", "--sandbox.user=nobody")

    def yard(self, *arguments, argv=()):
        done = quiet("ip", "netns", "exec", self.server_ns, "env", f"YARD_CONFIG={self.folder}/none.toml", f"{BIN}/yard",
                     *arguments, f"--address={SERVER}:{PORT}", f"--identity-address={SERVER}:{PORT}",
                     f"--hub-address={SERVER}:{PORT}", f"--token-file={self.folder}/admin.token",
                     f"--ca-file={self.tls}/ca.crt", "--timeout=10s", *(["--", *argv] if argv else []))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_one_line_makes_the_second_machine_an_agent_that_runs_tasks(self):
        made = json.loads(self.yard("agent", "enroll", "second", "-o", "json"))
        joined = self.yard_agent("enroll", made["enrollment"], "--no-start")
        self.assertEqual(joined.returncode, 0, joined.stdout + joined.stderr)
        self.assertIn("received, run and completed", joined.stdout)
        doctor = self.yard_agent("doctor")
        self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)
        self.assertIn(f"{SERVER}:{PORT} over TLS", doctor.stdout)
        self.start("agent", self.agent_ns, None, f"{self.root}/usr/bin/yard-agent", "run", f"--data-dir={self.data}",
                   "--sandbox.user=nobody")
        submitted = self.yard("task", "submit", "-o", "name", argv=("/usr/bin/echo", "from the second machine")).strip()
        submitted = submitted.split("/")[-1]
        wait_until(lambda: json.loads(self.yard("task", "show", submitted, "-o", "json"))["state"].endswith("SUCCEEDED"),
                   "the task to succeed", 30, every=0.3)
        self.assertIn("from the second machine", self.yard("logs", submitted))

    def test_the_doctor_tells_a_wrong_authority_from_a_wrong_address(self):
        other = f"{self.folder}/other"
        must(f"{BIN}/switchyard", "tls", "init", f"--dir={other}", f"--hosts={SERVER}")
        wrong = self.yard_agent("doctor", f"--hub.addresses={SERVER}:{PORT}", f"--hub.ca-file={other}/ca.crt")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("certificate", wrong.stdout)
        closed = self.yard_agent("doctor", f"--hub.addresses={SERVER}:1", f"--hub.ca-file={self.tls}/ca.crt")
        self.assertIn("cannot connect", closed.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
