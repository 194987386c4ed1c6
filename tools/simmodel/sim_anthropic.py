"""Anthropic's Messages."""

import json

import sim_engine
from sim_errors import ApiError
from sim_generate import Ask, Renderer, run
from sim_openai import text_of

GENERATES = ("/v1/messages",)
STOP = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use", "refusal": "refusal"}


def handle(handler, method, path, body, faults):
    """Answers and returns True when the path is one of these."""
    if path == "/v1/messages" and method == "POST":
        _messages(handler, body, faults)
    elif path == "/v1/messages/count_tokens" and method == "POST":
        _find(handler, body.get("model"))
        handler.send_json(200, {"input_tokens": sum(map(sim_engine.count_tokens, _texts(body)))})
    elif path == "/v1/models":
        data = [{"type": "model", "id": model.name, "display_name": model.name + " (simulated)",
                 "created_at": "2026-01-01T00:00:00Z"} for model in handler.engine.models()]
        handler.send_json(200, {"data": data, "has_more": False, "first_id": data[0]["id"] if data else None,
                                "last_id": data[-1]["id"] if data else None})
    else:
        return False
    return True


def _find(handler, name):
    model = handler.engine.find(name)
    if model is None:
        raise ApiError(404, "model: %s" % name)
    return model


def _blocks(content):
    return content if isinstance(content, list) else [{"type": "text", "text": str(content or "")}]


def _texts(body):
    texts = [text_of(body.get("system"))] if body.get("system") else []
    return texts + [_message_text(message) for message in body.get("messages") or []]


def _message_text(message):
    """Text, and what tools answered."""
    return "".join(text_of(block.get("content")) if block.get("type") == "tool_result" else str(block.get("text") or "")
                   for block in _blocks(message.get("content")) if isinstance(block, dict))


def _cached(engine, body):
    """(read, created): tokens up to the last block marked for caching, read when that prefix was asked for before."""
    blocks = _blocks(body.get("system")) if body.get("system") else []
    for message in body.get("messages") or []:
        blocks = blocks + _blocks(message.get("content"))
    marked = [i for i, block in enumerate(blocks) if isinstance(block, dict) and block.get("cache_control")]
    if not marked:
        return 0, 0
    prefix = [str(block.get("text") or "") for block in blocks[:marked[-1] + 1]]
    tokens = sum(map(sim_engine.count_tokens, prefix))
    return (tokens, 0) if engine.seen_before("\0".join([str(body.get("model")), *prefix])) else (0, tokens)


def _messages(handler, body, faults):
    if not handler.headers.get("anthropic-version"):
        raise ApiError(400, "anthropic-version: header is required")
    most = body.get("max_tokens")
    if not isinstance(most, int) or most < 1:
        raise ApiError(400, "max_tokens: Field required")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages: at least one message is required")
    model = _find(handler, body.get("model"))
    texts = _texts(body)
    users = [_message_text(message) for message in messages if message.get("role") == "user"]
    prompt_tokens = sum(map(sim_engine.count_tokens, texts))
    if prompt_tokens > model.context:
        raise ApiError(400, "prompt is too long: %d tokens > %d maximum" % (prompt_tokens, model.context))
    thinks = (body.get("thinking") or {}).get("type") == "enabled"
    ask = Ask(model, "\n".join(texts), users[-1] if users else "", prompt_tokens, most, thinks, None, None, model.context)
    renderer = _Events(ask, _cached(handler.engine, body), handler.next_id("msg_sim"))
    run(handler, ask, renderer, body.get("stream", False), faults)


class _Events(Renderer):

    def __init__(self, ask, cached, answer_id):
        self.ask, self.id = ask, answer_id
        self.read, self.created = cached
        self.index = -1
        self.open = None

    def _event(self, name, **fields):
        return ("event: %s\ndata: %s\n\n" % (name, json.dumps({"type": name, **fields}, separators=(",", ":")))).encode()

    def _usage(self, output_tokens):
        return {"input_tokens": self.ask.prompt_tokens - self.read - self.created,
                "cache_creation_input_tokens": self.created, "cache_read_input_tokens": self.read,
                "cache_creation": {"ephemeral_5m_input_tokens": self.created, "ephemeral_1h_input_tokens": 0},
                "output_tokens": output_tokens, "service_tier": "standard"}

    def begin(self, result):
        message = {"id": self.id, "type": "message", "role": "assistant", "model": result.model_name, "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": self._usage(1)}
        return self._event("message_start", message=message) + self._event("ping")

    def _block(self, kind, start):
        """Opens a block of that kind, closing another."""
        if self.open == kind:
            return b""
        out = self._close()
        self.index += 1
        self.open = kind
        return out + self._event("content_block_start", index=self.index, content_block=start)

    def _close(self):
        if self.open is None:
            return b""
        out = b""
        if self.open == "thinking":
            out = self._delta({"type": "signature_delta", "signature": "c2ltdWxhdGVk"})
        self.open = None
        return out + self._event("content_block_stop", index=self.index)

    def _delta(self, delta):
        return self._event("content_block_delta", index=self.index, delta=delta)

    def thinking(self, piece):
        return self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""}) + self._delta(
            {"type": "thinking_delta", "thinking": piece})

    def text(self, piece):
        return self._block("text", {"type": "text", "text": ""}) + self._delta({"type": "text_delta", "text": piece})

    def tool_calls(self, calls):
        out = b""
        for number, call in enumerate(calls):
            out += self._block("tool%d" % number, {"type": "tool_use", "id": "toolu_%d" % number, "name": call["name"],
                                                   "input": {}})
            for piece in ["", *sim_engine.pieces(json.dumps(call.get("arguments", {})))]:
                out += self._delta({"type": "input_json_delta", "partial_json": piece})
        return out

    def end(self, result, faults):
        delta = {"stop_reason": STOP[result.reason], "stop_sequence": None}
        return (self._close() + self._event("message_delta", delta=delta, usage=self._usage(result.output_tokens))
                + self._event("message_stop"))

    def error(self, message, kind):
        return self._event("error", error={"type": kind or "overloaded_error", "message": message or "Overloaded"})

    def whole(self, result):
        content = []
        if result.thinking:
            content.append({"type": "thinking", "thinking": result.thinking, "signature": "c2ltdWxhdGVk"})
        if result.text:
            content.append({"type": "text", "text": result.text})
        content += [{"type": "tool_use", "id": "toolu_%d" % i, "name": call["name"], "input": call.get("arguments", {})}
                    for i, call in enumerate(result.tool_calls)]
        return {"id": self.id, "type": "message", "role": "assistant", "model": result.model_name, "content": content,
                "stop_reason": STOP[result.reason], "stop_sequence": None, "usage": self._usage(result.output_tokens)}
