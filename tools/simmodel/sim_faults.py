"""Faults: what goes wrong on purpose, where, and how often."""

import json
import threading

# kind: (what it does, where it strikes unless told otherwise, its parameters with their defaults)
KINDS = {
    "dead": ("nothing listens: connections are refused, open ones are reset", "all", {}),
    "hang": ("the request is read and never answered", "generation", {}),
    "hang_after_headers": ("status 200 and headers, then nothing", "generation", {}),
    "hang_after": ("stops for ever after so many tokens", "generation", {"tokens": 1}),
    "slow_first_token": ("waits before the first token", "generation", {"seconds": 1.0}),
    "slow_tokens": ("waits before every token", "generation", {"seconds": 0.1}),
    "endless": ("tokens without end; with slow_tokens slowly", "generation", {}),
    "big": ("an answer of so many bytes", "generation", {"bytes": 1 << 20}),
    "empty": ("ends well without any text", "generation", {}),
    "load_stuck": ("a cold model never finishes loading", "generation", {}),
    "queue_full": ("503 as Ollama says it when too many wait for a load", "generation", {}),
    "status": ("that status, in the words of the protocol", "generation",
               {"status": 500, "message": None, "type": None, "code": None, "retry_after": None, "headers": None}),
    "spend_limit": ("429 that never clears: Anthropic's enforced_spend_limit_reached, OpenAI's insufficient_quota",
                    "generation", {}),
    "truncate": ("the connection closes after so many tokens, the transfer unfinished", "generation", {"tokens": 1}),
    "reset": ("the connection is reset after so many tokens", "generation", {"tokens": 1}),
    "no_end": ("the transfer ends well after so many tokens, but without the protocol's end mark", "generation",
               {"tokens": 1}),
    "no_done": ("OpenAI: everything but the [DONE]", "generation", {}),
    "no_finish": ("OpenAI: [DONE], but no chunk has a finish_reason", "generation", {}),
    "malformed": ("what should be JSON is not, after so many tokens", "generation", {"tokens": 1}),
    "error_in_stream": ("status 200, and an error after so many tokens", "generation",
                        {"tokens": 1, "message": None, "type": None}),
    "wrong_model": ("the answer says that another model made it", "generation", {"name": "another-model"}),
    "refusal": ("the model declines: refusal, content_filter", "generation", {}),
    "pieces": ("writes so many bytes at a time", "all", {"bytes": 1}),
}
# Shorthands: a status as a kind. A wrong key is wrong everywhere.
STATUSES = {"400": {}, "401": {"on": "all"}, "402": {}, "403": {"on": "all"}, "404": {}, "409": {}, "413": {},
            "429": {"retry_after": 1}, "500": {}, "502": {}, "503": {}, "504": {}, "529": {}}
COMMON = ("kind", "on", "model", "times")


class BadFault(ValueError):
    """Says what is wrong with a fault."""


def parse(text):
    """One fault from the command line: kind[,key=value]..."""
    first, *rest = text.split(",")
    fault = {"kind": first}
    for pair in rest:
        key, separator, value = pair.partition("=")
        if not separator:
            raise BadFault("%r in %r is not key=value" % (pair, text))
        try:
            fault[key] = json.loads(value)
        except ValueError:
            fault[key] = value
    return complete(fault)


def complete(given):
    """The fault with its defaults, also from text; BadFault when there is no such kind or parameter."""
    if isinstance(given, str):
        return parse(given)
    if not isinstance(given, dict):
        raise BadFault("a fault is an object with a kind")
    fault = dict(given)
    kind = str(fault.get("kind"))
    if kind in STATUSES:
        fault = {"status": int(kind), **STATUSES[kind], **fault, "kind": "status"}
        kind = "status"
    if kind not in KINDS:
        raise BadFault("there is no fault %r; there are: %s" % (kind, ", ".join([*KINDS, *STATUSES])))
    _, where, parameters = KINDS[kind]
    for key, value in fault.items():
        if key not in parameters and key not in COMMON:
            raise BadFault("fault %s has no %r; it has: %s" % (kind, key, ", ".join([*parameters, *COMMON])))
        if value is None:
            continue
        number = key == "times" or isinstance(parameters.get(key), (int, float))
        if number and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
            raise BadFault("%s of fault %s is a number that is not negative" % (key, kind))
    return {"on": where, "model": None, "times": None, **parameters, **fault}


class Faults:
    """Those in force. Thread-safe."""

    def __init__(self, on_change):
        self._lock = threading.Lock()
        self._faults = []
        self._on_change = on_change

    def replace(self, faults):
        faults = [complete(fault) for fault in faults]
        with self._lock:
            self._faults = faults
        self._on_change()

    def add(self, fault):
        fault = complete(fault)
        with self._lock:
            self._faults.append(fault)
        self._on_change()

    def all(self):
        with self._lock:
            return [dict(fault) for fault in self._faults if fault["times"] != 0]

    def has(self, kind):
        return any(fault["kind"] == kind for fault in self.all())

    def take(self, path, model, generates):
        """Those that strike this request, by kind; each counts one of its times."""
        struck = {}
        with self._lock:
            for fault in self._faults:
                if fault["times"] == 0 or fault["model"] not in (None, model):
                    continue
                on = fault["on"]
                if not (on == "all" or (on == "generation" and generates) or (on == "lists" and not generates)
                        or (on.startswith("/") and path.startswith(on))):
                    continue
                if fault["kind"] in struck:
                    continue
                if fault["times"] is not None:
                    fault["times"] -= 1
                struck[fault["kind"]] = dict(fault)
        return struck
