"""The OpenAI-compatible routes, with what vLLM and llama.cpp's server add to them."""

import json
import math
import time

import sim_engine
import sim_ollama
from sim_errors import ApiError
from sim_generate import Ask, Renderer, run

GENERATES = ("/v1/chat/completions", "/v1/completions")
FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls", "refusal": "content_filter"}


def handle(handler, method, path, body, faults):
    """Answers and returns True when the path is one of these."""
    if path == "/v1/models":
        handler.send_json(200, {"object": "list", "data": [_listed(model) for model in handler.engine.models()]})
    elif path.startswith("/v1/models/"):
        handler.send_json(200, _listed(_find(handler, path[len("/v1/models/"):])))
    elif path in GENERATES and method == "POST":
        _complete(handler, body, path == "/v1/chat/completions", faults)
    elif path == "/health":
        _health(handler)
    elif path in ("/ping", "/version"):
        handler.send_json(200, {"version": "0.0.0-simulated"})
    elif path in ("/props", "/slots", "/metrics"):
        _capacity(handler, path)
    else:
        return False
    return True


def _listed(model):
    return {"id": model.name, "object": "model", "created": 1767225600, "owned_by": "simulated", "root": model.name,
            "parent": None, "max_model_len": model.context,
            "meta": {"n_ctx_train": model.context, "n_params": 8_000_000_000, "size": model.size}}


def _find(handler, name):
    model = handler.engine.find(name)
    if model is None:
        raise ApiError(404, "The model `%s` does not exist." % name)
    return model


def _health(handler):
    if handler.engine.loading():
        handler.send_json(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    else:
        handler.send_json(200, {"status": "ok"})


def _capacity(handler, path):
    state = handler.engine.state()
    busy = sum(model["busy"] for model in state.values())
    slots = sum(model["slots"] for model in state.values())
    context = max((model["context"] for model in state.values()), default=0)
    if path == "/props":
        handler.send_json(200, {"total_slots": slots, "default_generation_settings": {"n_ctx": context},
                                "model_path": next(iter(state), "")})
    elif path == "/slots":
        if "fail_on_no_slot=1" in handler.query and busy >= slots:
            raise ApiError(503, "no slot available")
        handler.send_json(200, [{"id": i, "n_ctx": context, "is_processing": i < busy} for i in range(slots)])
    else:
        waiting = sum(model["waiting"] for model in state.values())
        lines = ["llamacpp:requests_processing %d" % busy, "llamacpp:requests_deferred %d" % waiting,
                 "llamacpp:predicted_tokens_seconds nan"]
        lines += ['vllm:num_requests_running{engine="0",model_name="%s"} %d' % (name, model["busy"])
                  for name, model in state.items()]
        handler.send_body(200, "text/plain; version=0.0.4", ("\n".join(lines) + "\n").encode())


def text_of(content):
    """The text of a content that is a string or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content or "")


def _complete(handler, body, chats, faults):
    model = _find(handler, body.get("model"))
    messages = body.get("messages") if chats else [{"role": "user", "content": body.get("prompt")}]
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages must not be empty")
    texts = [text_of(message.get("content")) for message in messages]
    users = [text for text, message in zip(texts, messages) if message.get("role") == "user"]
    prompt_tokens = sum(sim_engine.count_tokens(text) for text in texts)
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    ollama = handler.sim.protocol == "ollama"
    options = sim_ollama.runner_options(model, {}) if ollama else None
    context = model.default_context if ollama else model.context
    if prompt_tokens + (most or 0) > context:
        if not ollama:
            raise ApiError(400, "This model's maximum context length is %d tokens, not %d." %
                           (context, prompt_tokens + (most or 0)), code="context_length_exceeded")
        prompt_tokens = min(prompt_tokens, context)
    ask = Ask(model, "\n".join(texts), users[-1] if users else "", prompt_tokens,
              math.inf if most is None else most, True, options, None, context)
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    run(handler, ask, _Chunks(ask, chats, wants_usage, ollama, handler.next_id("chatcmpl-sim")), body.get("stream", False),
        faults)


class _Chunks(Renderer):

    def __init__(self, ask, chats, wants_usage, ollama, answer_id):
        self.ask, self.chats, self.wants_usage, self.ollama, self.id = ask, chats, wants_usage, ollama, answer_id
        self.model_name = ask.model.name
        self.created = int(time.time())

    def _head(self, kind):
        name = ("chat.completion" if self.chats else "text_completion") + (kind if self.chats else "")
        return {"id": self.id, "object": name, "created": self.created, "model": self.model_name}

    def _chunk(self, delta, finish=None):
        choice = {"index": 0, "delta": delta} if self.chats else {"index": 0, "text": delta.get("content", "")}
        choice["finish_reason"] = finish
        return self._data({**self._head(".chunk"), "choices": [choice]})

    def _data(self, value):
        return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"

    def _usage(self, result):
        thought = sim_engine.count_tokens(result.thinking)
        return {"prompt_tokens": self.ask.prompt_tokens, "completion_tokens": result.output_tokens,
                "total_tokens": self.ask.prompt_tokens + result.output_tokens,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": thought}}

    def begin(self, result):
        self.model_name = result.model_name
        return self._chunk({"role": "assistant", "content": ""})

    def thinking(self, piece):
        return self._chunk({"reasoning_content": piece})

    def text(self, piece):
        return self._chunk({"content": piece})

    def tool_calls(self, calls):
        out = b""
        for index, call in enumerate(calls):
            function = {"name": call["name"], "arguments": ""}
            out += self._chunk({"tool_calls": [{"index": index, "id": "call_%d" % index, "type": "function",
                                                "function": function}]})
            for piece in sim_engine.pieces(json.dumps(call.get("arguments", {}))):
                out += self._chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        return out

    def end(self, result, faults):
        out = b"" if "no_finish" in faults else self._chunk({}, FINISH[result.reason])
        if self.wants_usage:
            out += self._data({**self._head(".chunk"), "choices": [], "usage": self._usage(result)})
        return out if "no_done" in faults else out + b"data: [DONE]\n\n"

    def error(self, message, kind):
        if self.ollama:
            # Its layer of compatibility loses the error: an empty piece, then nothing.
            return self._chunk({"role": "assistant", "content": ""})
        return self._data({"error": {"message": message or "the engine died", "type": kind or "server_error",
                                     "param": None, "code": None}})

    def whole(self, result):
        self.model_name = result.model_name
        choice = {"index": 0, "finish_reason": FINISH[result.reason]}
        if self.chats:
            message = {"role": "assistant", "content": result.text or None if result.tool_calls else result.text}
            if result.thinking:
                message["reasoning_content"] = result.thinking
            if result.tool_calls:
                message["tool_calls"] = [
                    {"id": "call_%d" % i, "type": "function",
                     "function": {"name": call["name"], "arguments": json.dumps(call.get("arguments", {}))}}
                    for i, call in enumerate(result.tool_calls)]
            choice["message"] = message
        else:
            choice["text"] = result.text
        return {**self._head(""), "choices": [choice], "usage": self._usage(result)}
