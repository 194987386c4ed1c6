"""Ollama's own routes."""

import datetime
import json
import math
import re
import time

import sim_engine
from sim_errors import QUEUE_FULL, ApiError
from sim_generate import Ask, Renderer, run

VERSION = "0.12.0-simulated"
# A difference in any of these reloads the model.
RUNNER_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")
GENERATES = ("/api/chat", "/api/generate")
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def handle(handler, method, path, body, faults):
    """Answers and returns True when the path is one of these."""
    if path == "/" and method in ("GET", "HEAD"):
        handler.send_body(200, "text/plain", b"Ollama is running")
    elif path == "/api/version":
        handler.send_json(200, {"version": VERSION})
    elif path == "/api/tags":
        handler.send_json(200, {"models": [_tag(model) for model in handler.engine.models()]})
    elif path == "/api/ps":
        handler.send_json(200, {"models": [_loaded(m) for m in handler.engine.loaded(handler.check_alive)]})
    elif path == "/api/show" and method == "POST":
        _show(handler, body)
    elif path in GENERATES and method == "POST":
        _generate(handler, body, path == "/api/chat", faults)
    else:
        return False
    return True


def _details(model):
    return {"parent_model": "", "format": "gguf", "family": "simulated", "families": ["simulated"],
            "parameter_size": "8.0B", "quantization_level": "Q4_K_M", "context_length": model.context}


def _tag(model):
    tag = {"name": model.name, "model": model.name, "modified_at": "2026-01-01T00:00:00Z", "size": model.size,
           "digest": model.digest, "details": _details(model), "capabilities": model.capabilities.split("+")}
    if model.remote_host:
        tag["remote_model"], tag["remote_host"] = model.name, model.remote_host
    return tag


def _loaded(model):
    # For ever is the year 2318 there.
    expires = 10_990_000_000 if math.isinf(model.expires) else model.expires
    stamp = datetime.datetime.fromtimestamp(expires, datetime.timezone.utc)
    return {"name": model.name, "model": model.name, "size": model.size, "digest": model.digest,
            "details": _details(model), "expires_at": stamp.strftime("%Y-%m-%dT%H:%M:%S.%f000+00:00"),
            "size_vram": model.vram, "context_length": model.allocated}


def find(handler, name):
    model = handler.engine.find(name)
    if model is None:
        raise ApiError(404, "model '%s' not found" % name)
    return model


def _show(handler, body):
    model = find(handler, body.get("model") or body.get("name"))
    handler.send_json(200, {
        "modelfile": "# simulated", "parameters": "", "template": "{{ .Prompt }}", "details": _details(model),
        "model_info": {"general.architecture": "simulated", "simulated.context_length": model.context},
        "capabilities": model.capabilities.split("+"), "modified_at": "2026-01-01T00:00:00Z"})


def keep_alive_seconds(value):
    """Seconds, negative for ever; None when not given."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = re.fullmatch(r"([+-]?)((?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+)", str(value))
    if not match:
        raise ApiError(400, "time: missing unit in duration %s" % json.dumps(str(value)))
    seconds = sum(float(n) * _UNITS[u] for n, u in re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", match.group(2)))
    return -seconds if match.group(1) == "-" else seconds


def runner_options(model, options):
    """What the runner is started with: what is not asked for has its default."""
    chosen = {key: options[key] for key in RUNNER_OPTIONS if key in options}
    chosen.setdefault("num_ctx", model.default_context)
    return chosen


def _generate(handler, body, chats, faults):
    model = find(handler, body.get("model"))
    options = body.get("options") or {}
    keep_alive = keep_alive_seconds(body.get("keep_alive"))
    chosen = runner_options(model, options)
    if chats:
        messages = [dict(message) for message in body.get("messages") or []]
    else:
        messages = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        messages += [{"role": "user", "content": body["prompt"]}] if body.get("prompt") else []
    if not any(message.get("role") != "system" for message in messages):
        _preload(handler, model, chosen, keep_alive, chats, faults)
        return
    context = chosen["num_ctx"]
    prompt_tokens, kept = fit(messages, context, body.get("truncate", True))
    texts = [str(message.get("content") or "") for message in kept]
    users = [str(message.get("content") or "") for message in kept if message.get("role") == "user"]
    ask = Ask(model, "\n".join(texts), users[-1] if users else "", prompt_tokens,
              _predict(options), bool(body.get("think")), chosen, keep_alive, context)
    run(handler, ask, _Lines(ask, chats), body.get("stream", True), faults)


def _predict(options):
    most = options.get("num_predict", -1)
    return most if isinstance(most, (int, float)) and most >= 0 else math.inf


def fit(messages, context, truncate):
    """Tokens of the prompt and the messages kept: the oldest go silently, unless that is forbidden."""
    counts = [sim_engine.count_tokens(str(message.get("content") or "")) for message in messages]
    if sum(counts) <= context:
        return sum(counts), messages
    if not truncate:
        raise ApiError(400, "the input length exceeds the context length")
    kept = list(zip(messages, counts))
    while sum(count for _, count in kept) > context:
        oldest = next((i for i, (m, _) in enumerate(kept[:-1]) if m.get("role") != "system"), None)
        if oldest is None:
            return context, [message for message, _ in kept]
        del kept[oldest]
    return sum(count for _, count in kept), [message for message, _ in kept]


def _preload(handler, model, chosen, keep_alive, chats, faults):
    reason = "load"
    if keep_alive == 0:
        handler.engine.unload(model)
        reason = "unload"
    else:
        stuck = math.inf if "load_stuck" in faults else None
        try:
            handler.engine.admit(model, chosen, handler.check_alive, handler.pause, stuck)
        except sim_engine.QueueFull:
            raise ApiError(503, QUEUE_FULL) from None
        handler.engine.release(model, keep_alive)
    answer = {"model": model.name, "created_at": _now(), "done": True, "done_reason": reason}
    answer.update({"message": {"role": "assistant", "content": ""}} if chats else {"response": ""})
    handler.send_json(200, answer)


def _now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class _Lines(Renderer):
    content_type = "application/x-ndjson"

    def __init__(self, ask, chats):
        self.ask, self.chats = ask, chats
        self.model_name = ask.model.name

    def begin(self, result):
        self.model_name = result.model_name
        return b""

    def _line(self, message, **more):
        line = {"model": self.model_name}
        if self.ask.model.remote_host:
            line["remote_model"], line["remote_host"] = self.ask.model.name, self.ask.model.remote_host
        line["created_at"] = _now()
        if self.chats:
            line["message"] = {"role": "assistant", "content": "", **message}
        else:
            line["response"] = message.get("content", "")
            if "thinking" in message:
                line["thinking"] = message["thinking"]
        line.update(more)
        return line

    def _bytes(self, line):
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"

    def thinking(self, piece):
        return self._bytes(self._line({"thinking": piece}, done=False))

    def text(self, piece):
        return self._bytes(self._line({"content": piece}, done=False))

    def _calls(self, calls):
        return [{"id": "call_%08x" % index, "function": {"index": index, "name": call["name"],
                                                        "arguments": call.get("arguments", {})}}
                for index, call in enumerate(calls)]

    def tool_calls(self, calls):
        return self._bytes(self._line({"tool_calls": self._calls(calls)}, done=False))

    def _final(self, result):
        now = time.monotonic()
        nanos = {
            "total_duration": now - result.begun,
            "load_duration": result.load_seconds,
            "prompt_eval_duration": result.first_token_at - result.begun - result.load_seconds,
            "eval_duration": now - result.first_token_at,
        }
        final = {"done": True, "done_reason": "length" if result.reason == "length" else "stop"}
        final.update({key: int(value * 1e9) for key, value in nanos.items() if value > 0})
        final["prompt_eval_count"] = self.ask.prompt_tokens
        if result.output_tokens:
            final["eval_count"] = result.output_tokens
        return final

    def end(self, result, faults):
        return self._bytes(self._line({}, **self._final(result)))

    def error(self, message, kind):
        return json.dumps({"error": message or "an error was encountered while running the model"}).encode() + b"\n"

    def whole(self, result):
        self.model_name = result.model_name
        message = {"content": result.text}
        if result.thinking:
            message["thinking"] = result.thinking
        if result.tool_calls:
            message["tool_calls"] = self._calls(result.tool_calls)
        return self._line(message, **self._final(result))
