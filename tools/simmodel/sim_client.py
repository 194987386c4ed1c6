"""Starts a simulated endpoint and talks to it; for tests in Python."""

import http.client
import json
import os
import subprocess

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "switchyard-simmodel")


class Endpoint:
    """A running simulator; ends with close(), or when this process goes."""

    def __init__(self, *options):
        """Takes the options of switchyard-simmodel; ready when it returns."""
        self.process = subprocess.Popen([LAUNCHER, "--until-eof", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        _, port, _, control = self.process.stdout.readline().split()
        self.port, self.control_port = int(port), int(control)
        self.connections = []

    def close(self):
        for connection in self.connections:
            connection.close()
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def open(self, method, path, body=None, headers=None, port=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        self.connections.append(connection)
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, headers=None, port=None):
        """(status, text, headers) of an answer that ends."""
        connection, response = self.open(method, path, body, headers, port)
        text = response.read().decode()
        connection.close()
        return response.status, text, response.headers

    def json(self, method, path, body=None, headers=None, port=None):
        return json.loads(self.ask(method, path, body, headers, port)[1])

    def sim(self, method, what, body=None):
        """The control path: sim("PUT", "faults", [{"kind": "dead"}]) and so on, as the launcher's --help has it."""
        status, text, _ = self.ask(method, "/_sim/" + what, body, port=self.control_port)
        assert status == 200, text
        return json.loads(text)

    def model(self, name):
        """Its state and counts."""
        return self.sim("GET", "models")["models"][name]

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port
