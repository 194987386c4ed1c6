"""A second machine uses the installation of a first one over TLS: two network namespaces, one link between them."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postgres import Postgres  # noqa: E402
from stack import BIN, clean_environment  # noqa: E402
from waiting import wait_until  # noqa: E402

# Addresses of these namespaces only; nothing else routes to them.
SERVER, CLIENT = "10.231.7.1", "10.231.7.2"
QUEUE_PORT, IDENTITY_PORT = 7401, 7402


def quiet(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=clean_environment())


def must(*argv):
    done = quiet(*argv)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


class SecondHostTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise unittest.SkipTest("network namespaces need root and iproute2")
        cls.server_ns, cls.client_ns = f"sy-s-{os.getpid()}", f"sy-c-{os.getpid()}"
        cls.folder = tempfile.mkdtemp(prefix="sytls.", dir="/tmp")
        cls.processes, cls.postgres = [], None
        try:
            probe = quiet("ip", "netns", "add", cls.server_ns)
            if probe.returncode != 0:
                raise unittest.SkipTest(f"no network namespaces here: {probe.stderr.strip()}")
            cls.connect_namespaces()
            cls.install()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def connect_namespaces(cls):
        must("ip", "netns", "add", cls.client_ns)
        left, right = f"sys{os.getpid() % 100000}", f"syc{os.getpid() % 100000}"
        must("ip", "link", "add", left, "netns", cls.server_ns, "type", "veth", "peer", "name", right, "netns",
             cls.client_ns)
        for namespace, device, address in ((cls.server_ns, left, SERVER), (cls.client_ns, right, CLIENT)):
            must("ip", "-n", namespace, "addr", "add", f"{address}/30", "dev", device)
            must("ip", "-n", namespace, "link", "set", device, "up")
            must("ip", "-n", namespace, "link", "set", "lo", "up")

    @classmethod
    def install(cls):
        cls.postgres = Postgres()
        database = f"--database.host={cls.postgres.folder}"
        must(f"{BIN}/switchyard", "migrate", database)
        for name in ("admin", "service"):
            must(f"{BIN}/switchyard", "token", "issue", f"--name={name}", f"--scopes={name}",
                 f"--out={cls.folder}/{name}.token", database)
        cls.tls = f"{cls.folder}/tls"
        must(f"{BIN}/switchyard", "tls", "init", f"--dir={cls.tls}", f"--hosts={SERVER}")
        must(f"{BIN}/switchyard", "tls", "init", f"--dir={cls.folder}/other", f"--hosts={SERVER}")
        cls.start("switchyard-identity", IDENTITY_PORT, {})
        cls.start("switchyard-task-queue", QUEUE_PORT,
                  {"auth": {"identity_address": f"{SERVER}:{IDENTITY_PORT}",
                            "token": f"file:{cls.folder}/service.token", "ca_file": f"{cls.tls}/ca.crt",
                            "cert_file": f"{cls.tls}/client.crt", "key_file": f"{cls.tls}/client.key"}})

    @classmethod
    def start(cls, binary, port, more):
        config = {"server": {"listen": f"{SERVER}:{port}", "metrics_listen": "127.0.0.1:0", "drain_deadline": "2s",
                             "tls": {"cert_file": f"{cls.tls}/server.crt", "key_file": f"{cls.tls}/server.key",
                                     "client_ca_file": f"{cls.tls}/ca.crt", "require_client_cert": True}},
                  "database": {"host": cls.postgres.folder}, **more}
        path = f"{cls.folder}/{binary}.yaml"
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)
        with open(f"{cls.folder}/{binary}.log", "wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", "ip", "netns", "exec", cls.server_ns, f"{BIN}/{binary}",
                 f"--config={path}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(), start_new_session=True)
        cls.processes.append(process)

        def ready():
            with open(log.name, encoding="utf-8", errors="replace") as text:
                lines = text.read()
            if process.poll() is not None:
                raise AssertionError(f"{binary} ended:\n{lines}")
            return '"ready":true' in lines

        wait_until(ready, f"{binary} to be ready", timeout=30)

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
        for namespace in (cls.server_ns, cls.client_ns):
            quiet("ip", "netns", "del", namespace)
        shutil.rmtree(cls.folder, ignore_errors=True)

    def yard(self, *arguments, ca="tls", client_cert=True):
        command = ["ip", "netns", "exec", self.client_ns, f"{BIN}/yard", *arguments,
                   f"--address={SERVER}:{QUEUE_PORT}", f"--identity-address={SERVER}:{IDENTITY_PORT}",
                   f"--token-file={self.folder}/admin.token", "--timeout=5s"]
        if ca:
            command.append(f"--ca-file={self.folder}/{ca}/ca.crt")
        if client_cert:
            command += [f"--cert-file={self.tls}/client.crt", f"--key-file={self.tls}/client.key"]
        return quiet("env", f"YARD_CONFIG={self.folder}/none.toml", *command)

    def test_the_second_host_submits_and_sees_its_task(self):
        submitted = self.yard("task", "submit", "-o", "name", "--prompt", "from afar")
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        shown = self.yard("task", "list", "-o", "name")
        self.assertIn(submitted.stdout.strip(), shown.stdout)

    def test_an_authority_that_is_not_ours_is_not_believed(self):
        self.assertEqual(self.yard("task", "list", ca="other").returncode, 11)

    def test_a_client_without_a_certificate_cannot_connect(self):
        self.assertEqual(self.yard("task", "list", client_cert=False).returncode, 11)

    def test_no_token_crosses_the_network_in_the_clear(self):
        refused = self.yard("task", "list", ca="", client_cert=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("TLS", refused.stderr)

    def test_without_tls_nothing_but_loopback_is_bound(self):
        done = quiet("ip", "netns", "exec", self.server_ns, f"{BIN}/switchyard-identity",
                     f"--server.listen={SERVER}:7499", f"--database.host={self.postgres.folder}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("allow", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
