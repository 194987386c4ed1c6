"""The HTTP side: connections, waits that notice a client that left, writing in pieces, the control path."""

import collections
import http.server
import itertools
import json
import math
import select
import socket
import socketserver
import struct
import threading
import time
import urllib.parse

import sim_anthropic
import sim_engine
import sim_errors
import sim_faults
import sim_ollama
import sim_openai
from sim_errors import ApiError

MODULES = {sim_errors.OLLAMA: sim_ollama, sim_errors.ANTHROPIC: sim_anthropic, sim_errors.OPENAI: sim_openai}
GENERATES = frozenset(path for module in MODULES.values() for path in module.GENERATES)
MAX_BODY = 64 << 20
LIMITS = {
    sim_errors.OPENAI: {"x-ratelimit-limit-requests": "1000", "x-ratelimit-remaining-requests": "999",
                        "x-ratelimit-reset-requests": "1.2s"},
    sim_errors.ANTHROPIC: {"anthropic-ratelimit-requests-limit": "1000",
                           "anthropic-ratelimit-requests-remaining": "999",
                           "anthropic-ratelimit-requests-reset": "2030-01-01T00:00:00Z"},
}
SECRET_HEADERS = ("authorization", "x-api-key", "cookie")


class ClientGone(Exception):
    """The other side closed; there is nobody to answer."""


class Log:
    """Requests that came, for tests to read. Thread-safe; keeps the last ones."""

    def __init__(self, most=2000):
        self._lock = threading.Lock()
        self._counts = collections.Counter()
        self._last = collections.deque(maxlen=most)

    def add(self, method, path, headers, body):
        with self._lock:
            self._counts["%s %s" % (method, path)] += 1
            names = {name.lower(): "present" if name.lower() in SECRET_HEADERS else value
                     for name, value in headers.items()}
            self._last.append({"method": method, "path": path, "headers": names, "body": body, "status": None,
                               "at": time.time()})
            return self._last[-1]

    def clear(self):
        with self._lock:
            self._counts.clear()
            self._last.clear()

    def read(self):
        with self._lock:
            return {"total": sum(self._counts.values()), "counts": dict(self._counts),
                    "requests": [dict(each) for each in self._last]}


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. What it shares with others is in self.server.sim."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "switchyard-simmodel"

    # ---- Dispatch

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self):
        self.sim, self.engine = self.server.sim, self.server.sim.engine
        self.struck, self.began, self.entry, self.limits = {}, False, None, {}
        path, _, self.query = self.path.partition("?")
        path = urllib.parse.unquote(path)
        try:
            body = self._read_body()
            if path.startswith("/_sim"):
                self._control(path, body)
                return
            if self.sim.faults.has("dead"):
                self.break_off(reset=True)
                return
            self.entry = self.sim.log.add(self.command, path, self.headers, body)
            self._serve(path, body if isinstance(body, dict) else {})
        except (ClientGone, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _serve(self, path, body):
        protocol = sim_errors.protocol_of(path, self.headers)
        self.limits = LIMITS.get(protocol, {}) if path in GENERATES else {}
        try:
            name = body.get("model") or body.get("name")
            self.struck = self.sim.faults.take(path, name, path in GENERATES)
            self._strike(protocol)
            if not self.sim.authorised(self.headers) and path not in ("/", "/health"):
                raise ApiError(401)
            if not self.serves(protocol) or not MODULES[protocol].handle(self, self.command, path, body, self.struck):
                raise ApiError(404, "there is no %s %s here" % (self.command, path))
        except (ApiError, TypeError, AttributeError, KeyError, ValueError) as caught:
            error = caught if isinstance(caught, ApiError) else ApiError(400, "the request cannot be read: %s" % caught)
            if self.began:
                self.break_off(reset=False)
                return
            kind, details = error.more.get("kind"), error.more.get("details")
            answer = sim_errors.body(protocol, error.status, error.message, kind, error.more.get("code"), details,
                                     self.next_id("req_sim"))
            self.send_json(error.status, answer, error.headers)

    def _strike(self, protocol):
        """The faults that end a request before it is looked at."""
        if "hang" in self.struck:
            self.pause(math.inf)
        if "queue_full" in self.struck:
            raise ApiError(503, sim_errors.QUEUE_FULL)
        if "spend_limit" in self.struck:
            if protocol == sim_errors.ANTHROPIC:
                raise ApiError(429, "the spend limit is reached", details={"error_code": "enforced_spend_limit_reached"})
            raise ApiError(429, "You exceeded your current quota.", kind="insufficient_quota", code="insufficient_quota")
        fault = self.struck.get("status")
        if fault:
            error = ApiError(fault["status"], fault["message"], kind=fault["type"], code=fault["code"])
            if fault["retry_after"] is not None:
                error.headers["Retry-After"] = str(fault["retry_after"])
            error.headers.update(fault["headers"] or {})
            raise error

    def serves(self, protocol):
        return self.sim.protocol in ("all", protocol) or (self.sim.protocol, protocol) == ("ollama", "openai")

    def next_id(self, prefix):
        return "%s%06d" % (prefix, next(self.sim.ids))

    def _read_body(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.send_json(413, sim_errors.body(sim_errors.OPENAI, 413))
            raise ClientGone()
        text = self.rfile.read(length)
        try:
            return json.loads(text) if text else {}
        except ValueError:
            return text.decode("utf-8", "replace")

    # ---- Control

    def _control(self, path, body):
        sim, parts = self.sim, path.strip("/").split("/")
        what = parts[1] if len(parts) > 1 else ""
        try:
            answer = sim.control(self.command, what, body)
        except (sim_faults.BadFault, sim_engine.BadConfig, KeyError, TypeError, AttributeError) as error:
            self.send_json(400, {"error": str(error) or type(error).__name__})
            return
        self.send_json(404 if answer is None else 200, answer or {"error": "no such control path"})

    # ---- Waiting

    def check_alive(self):
        """Raises once the client has closed, or the endpoint plays dead."""
        if self.sim.faults.has("dead"):
            self.break_off(reset=True)
            raise ClientGone()
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and not self._peek():
            raise ClientGone()

    def _peek(self):
        try:
            return self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    def pause(self, seconds):
        """Waits, for ever when infinite; raises ClientGone as soon as the client leaves."""
        if seconds <= 0:
            return
        end = time.monotonic() + seconds
        while True:
            self.check_alive()
            left = end - time.monotonic()
            if left <= 0:
                return
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.1))
            # A pipelined request would end every wait at once.
            if readable and self._peek():
                time.sleep(min(left, 0.01))

    # ---- Writing

    def to_json(self, value):
        return json.dumps(value).encode()

    def send_json(self, status, value, headers=None):
        self.send_body(status, "application/json", self.to_json(value), headers)

    def send_body(self, status, content_type, body, headers=None):
        self.begin_answer(status, content_type, len(body), headers)
        if self.command != "HEAD":
            self.send_bytes(body)

    def begin_answer(self, status, content_type, length, headers=None):
        self.began = True
        if self.entry is not None:
            self.entry["status"] = status
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Switchyard-Simulated", "1")
        self.send_header("request-id", self.next_id("req_sim"))
        for name, value in {**self.limits, **(headers or {})}.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def begin_stream(self, content_type):
        self.begin_answer(200, content_type, None)

    def send_piece(self, data):
        """A chunk; under the fault `pieces` one for every so many bytes."""
        if not data:
            return
        step = int(self.struck["pieces"]["bytes"]) or 1 if "pieces" in self.struck else len(data)
        for at in range(0, len(data), step):
            part = data[at:at + step]
            self.send_bytes(b"%x\r\n%s\r\n" % (len(part), part))

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")

    def send_bytes(self, data):
        self.wfile.write(data)

    def break_off(self, reset):
        """Closes, unfinished; with a reset, or as if the process had gone."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format, *args):
        if self.sim_verbose:
            super().log_message(format, *args)

    @property
    def sim_verbose(self):
        return self.server.sim.verbose


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread for each connection; it ends with the process."""
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, sim, address):
        self.sim = sim
        super().__init__(address, Handler, bind_and_activate=False)
        # So that a port stays ours while nothing listens on it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.server_bind()
        self.server_activate()

    def server_bind(self):
        # The base class looks up a name for the address.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        if self.sim.verbose:
            super().handle_error(request, client_address)


class Sim:
    """One endpoint: engine, faults, log and the two ports."""

    def __init__(self, engine, protocol="all", api_key=None, verbose=False):
        self.engine, self.protocol, self.api_key, self.verbose = engine, protocol, api_key, verbose
        self.log = Log()
        self.ids = itertools.count(1)
        self._lock = threading.Lock()
        self._main = None
        self._holder = None
        self._address = None
        self.faults = sim_faults.Faults(self._on_faults)

    def start(self, host, port, control_port):
        """Returns the port of the endpoint and the one of the control path."""
        control = Server(self, (host, control_port))
        threading.Thread(target=control.serve_forever, args=(0.1,), daemon=True).start()
        self._holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind((host, port))
        self._address = self._holder.getsockname()
        self._on_faults()
        return self._address[1], control.server_address[1]

    def _on_faults(self):
        """Listens, or does not."""
        self.engine.wake()
        if self._address is None:
            return
        with self._lock:
            dead = self.faults.has("dead")
            if dead and self._main is not None:
                self._main.shutdown()
                self._main.server_close()
                self._main = None
            elif not dead and self._main is None:
                self._main = Server(self, self._address)
                threading.Thread(target=self._main.serve_forever, args=(0.02,), daemon=True).start()

    def authorised(self, headers):
        if self.api_key is None:
            return True
        given = headers.get("x-api-key") or headers.get("Authorization", "").removeprefix("Bearer ")
        return given == self.api_key

    def control(self, method, what, body):
        """The answer of the control path; None when there is no such path."""
        if what == "faults":
            if method == "PUT":
                self.faults.replace(body if isinstance(body, list) else [body])
            elif method == "POST":
                self.faults.add(body)
            elif method == "DELETE":
                self.faults.replace([])
            return {"faults": self.faults.all()}
        if what == "requests":
            if method == "DELETE":
                self.log.clear()
            return self.log.read()
        if what == "answers" and method == "PUT":
            self.engine.put_answers(body)
            return {"answers": len(body)}
        if what == "models":
            if method == "PUT":
                self.engine.put_models(body)
            elif method == "POST":
                self.engine.set_loaded(body["name"], bool(body["loaded"]))
            return {"models": self.engine.state()}
        return None
