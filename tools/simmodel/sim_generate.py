"""One generation, the same for every protocol: load, wait, produce pieces, and go wrong as told."""

import dataclasses
import math
import time

import sim_engine
import sim_errors


@dataclasses.dataclass
class Ask:
    """What a protocol's request means."""
    model: sim_engine.Model
    prompt: str  # all of it, for scripted answers
    last_user: str
    prompt_tokens: int
    max_tokens: float = math.inf
    think: bool = False
    options: object = None  # the runner's; None fits any
    keep_alive: object = None
    context: float = math.inf


@dataclasses.dataclass
class Result:
    """What was said, and how long it took."""
    model_name: str
    reason: str = "stop"  # stop, length, tool, refusal
    thinking: str = ""
    text: str = ""
    tool_calls: list = dataclasses.field(default_factory=list)
    output_tokens: int = 0
    load_seconds: float = 0.0
    begun: float = 0.0
    first_token_at: float = 0.0


class Renderer:
    """How a protocol streams. Each returns bytes; `whole` is the body of an answer that is not streamed."""
    content_type = "text/event-stream"

    def begin(self, result):
        return b""

    def thinking(self, piece):
        return b""

    def text(self, piece):
        raise NotImplementedError

    def tool_calls(self, calls):
        raise NotImplementedError

    def end(self, result, faults):
        raise NotImplementedError

    def error(self, message, kind):
        raise NotImplementedError

    def whole(self, result):
        raise NotImplementedError


def run(handler, ask, renderer, streams, faults):
    """Answers the request, or raises ApiError before a byte of the answer went out."""
    engine = handler.engine
    result = Result(faults["wrong_model"]["name"] if "wrong_model" in faults else ask.model.name)
    result.begun = time.monotonic()
    load_seconds = math.inf if "load_stuck" in faults else None
    try:
        result.load_seconds = engine.admit(ask.model, ask.options, handler.check_alive, handler.pause, load_seconds)
    except sim_engine.QueueFull:
        raise sim_errors.ApiError(503, sim_errors.QUEUE_FULL) from None
    cancelled = True
    try:
        _plan(engine, ask, result, faults)
        if streams:
            _stream(handler, ask, renderer, result, faults)
        else:
            _whole(handler, ask, renderer, result, faults)
        cancelled = False
    finally:
        engine.release(ask.model, ask.keep_alive, cancelled)


def _plan(engine, ask, result, faults):
    if "empty" in faults:
        return
    if "refusal" in faults:
        result.reason = "refusal"
        return
    result.thinking, result.text, result.tool_calls = engine.answer(ask.model.name, ask.prompt, ask.last_user)
    if not ask.think:
        result.thinking = ""
    if "big" in faults:
        result.text = "x" * int(faults["big"]["bytes"])
    if result.tool_calls:
        result.reason = "tool"
    room = min(ask.max_tokens, ask.context - ask.prompt_tokens)
    if "big" not in faults and sim_engine.count_tokens(result.text) > room:
        result.text = result.text[:int(max(room, 0)) * sim_engine.PIECE]
        result.tool_calls = []
        result.reason = "length"
    result.output_tokens = (sim_engine.count_tokens(result.thinking) + sim_engine.count_tokens(result.text)
                            + sum(sim_engine.count_tokens(str(call)) for call in result.tool_calls))


def _delays(ask, faults):
    first = ask.model.first_token_delay
    if "slow_first_token" in faults:
        first = faults["slow_first_token"]["seconds"]
    each = ask.model.token_delay
    if "slow_tokens" in faults:
        each = faults["slow_tokens"]["seconds"]
    return first, each


def _output(result, faults):
    """(kind, piece) in order."""
    size = 1 << 16 if "big" in faults else sim_engine.PIECE
    for piece in sim_engine.pieces(result.thinking):
        yield "thinking", piece
    for piece in sim_engine.pieces(result.text, size):
        yield "text", piece
    while "endless" in faults:
        yield "text", "more"


# Faults that strike once so many tokens are out.
CUTS = ("hang_after", "truncate", "reset", "no_end", "malformed", "error_in_stream")


def _stream(handler, ask, renderer, result, faults):
    first, each = _delays(ask, faults)
    handler.begin_stream(renderer.content_type)
    if "hang_after_headers" in faults:
        handler.pause(math.inf)
    handler.send_piece(renderer.begin(result))
    handler.pause(first)
    result.first_token_at = time.monotonic()
    count = 0
    for kind, piece in _output(result, faults):
        if _cut(handler, renderer, faults, count):
            return
        handler.pause(each)
        handler.send_piece(renderer.thinking(piece) if kind == "thinking" else renderer.text(piece))
        count += 1
    # An answer shorter than asked for is cut at its end.
    if _cut(handler, renderer, faults, math.inf):
        return
    if result.tool_calls:
        handler.send_piece(renderer.tool_calls(result.tool_calls))
    handler.send_piece(renderer.end(result, faults))
    handler.end_stream()


def _cut(handler, renderer, faults, count):
    """Whether a fault ended the stream here."""
    for kind in CUTS:
        if kind not in faults or count < faults[kind]["tokens"]:
            continue
        if kind == "hang_after":
            handler.pause(math.inf)
        elif kind == "truncate":
            handler.break_off(reset=False)
        elif kind == "reset":
            handler.break_off(reset=True)
        elif kind == "no_end":
            handler.end_stream()
        elif kind == "malformed":
            # The rest comes as if nothing were wrong.
            del faults[kind]
            handler.send_piece(renderer.text("x").replace(b"{", b"{{", 1))
            return False
        else:
            handler.send_piece(renderer.error(faults[kind]["message"], faults[kind]["type"]))
            handler.end_stream()
        return True
    return False


def _whole(handler, ask, renderer, result, faults):
    first, each = _delays(ask, faults)
    if "hang_after_headers" in faults:
        handler.begin_stream("application/json")
        handler.pause(math.inf)
    handler.pause(math.inf if "endless" in faults or "hang_after" in faults else first)
    result.first_token_at = time.monotonic()
    handler.pause(each * result.output_tokens)
    if "error_in_stream" in faults:
        raise sim_errors.ApiError(500, faults["error_in_stream"]["message"], kind=faults["error_in_stream"]["type"])
    body = handler.to_json(renderer.whole(result))
    if "malformed" in faults or "no_end" in faults:
        body = body[:-2]
    if "truncate" in faults or "reset" in faults:
        handler.begin_answer(200, "application/json", len(body))
        handler.send_bytes(body[:len(body) // 2])
        handler.break_off(reset="reset" in faults)
        return
    handler.send_body(200, "application/json", body)
