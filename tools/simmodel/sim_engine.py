"""The models: which exist, which are loaded, who waits, and what they answer. Nothing here knows a protocol."""

import hashlib
import math
import threading
import time

PIECE = 4  # characters of one token


class BadConfig(ValueError):
    """Says what is wrong with a model or an answer."""


class QueueFull(Exception):
    """Too many requests wait for a model to load."""


def count_tokens(text):
    """The rule of all counts: one token for every four characters begun."""
    return math.ceil(len(text) / PIECE)


def expiry(keep_alive):
    """When a model that is idle now goes; negative means never."""
    return math.inf if keep_alive < 0 else time.time() + keep_alive


def pieces(text, size=PIECE):
    return [text[at:at + size] for at in range(0, len(text), size)]


MODEL_DEFAULTS = {
    "name": None,
    "context": 8192,  # trained window, in tokens
    "default_context": 4096,  # allocated when a request names no num_ctx
    "load": 0.0,  # seconds
    "loaded": False,
    "slots": None,
    "keep_alive": 300.0,  # seconds
    "first_token_delay": 0.0,
    "token_delay": 0.0,
    "size": 1 << 30,
    "vram": None,  # bytes of size that lie on the GPU; all, unless told
    "remote_host": None,  # Ollama: a cloud model
    "capabilities": "completion+tools",
}


class Model:
    """One model and its state, which the engine guards."""

    def __init__(self, given, slots):
        unknown = set(given) - set(MODEL_DEFAULTS)
        if unknown:
            raise BadConfig("a model has no %s; it has: %s" % (", ".join(sorted(unknown)), ", ".join(MODEL_DEFAULTS)))
        for key, default in MODEL_DEFAULTS.items():
            setattr(self, key, given.get(key, default))
        if not self.name or not isinstance(self.name, str):
            raise BadConfig("a model has a name")
        self.slots = self.slots or slots
        self.vram = self.size if self.vram is None else self.vram
        self.digest = hashlib.sha256(self.name.encode()).hexdigest()
        self.options = None
        self.busy = 0
        self.kept = self.keep_alive
        self.expires = expiry(self.keep_alive)
        self.waiting = 0
        self.counts = {"served": 0, "cancelled": 0, "loads": 0, "reloads": 0, "max_busy": 0}

    @property
    def allocated(self):
        return (self.options or {}).get("num_ctx") or self.default_context


class Engine:
    """Thread-safe. `alive` callbacks raise to end a wait whose client went away."""

    def __init__(self, slots=1, max_queue=512, max_loaded=0):
        self._changed = threading.Condition()
        self._models = {}
        self._slots, self._max_queue, self._max_loaded = slots, max_queue, max_loaded
        self._loading = None
        self._pending = 0
        self._answers = []
        self._prefixes = set()

    # ---- Models

    def put_models(self, given):
        made = [Model(each, self._slots) for each in given]
        with self._changed:
            self._models = {model.name: model for model in made}
            self._changed.notify_all()

    def find(self, name):
        with self._changed:
            if name in self._models or not isinstance(name, str):
                return self._models.get(name)
            return self._models.get(name + ":latest") if ":" not in name else None

    def models(self):
        with self._changed:
            return list(self._models.values())

    def loading(self):
        return self._loading is not None

    def loaded(self, alive):
        """Those loaded, longest-lived first. As with Ollama, waits while any loads."""
        with self._changed:
            while self._loading is not None:
                self._wait(alive)
            self._expire()
            return sorted((m for m in self._models.values() if m.loaded), key=lambda m: m.expires, reverse=True)

    def set_loaded(self, name, loaded):
        with self._changed:
            self._models[name].loaded = loaded
            self._models[name].expires = expiry(self._models[name].keep_alive)
            self._changed.notify_all()

    def unload(self, model):
        with self._changed:
            model.loaded = False
            self._changed.notify_all()

    def state(self):
        with self._changed:
            self._expire()
            return {name: {"loaded": m.loaded, "loading": self._loading is m, "busy": m.busy, "waiting": m.waiting, "slots": m.slots,
                           "context": m.allocated, **m.counts} for name, m in self._models.items()}

    # ---- Requests

    def admit(self, model, options, alive, sleep, load_seconds=None):
        """Loads the model if it must and takes a slot. Returns the seconds until the runner was ready, queue included.

        `options` are the runner's, and other ones than it was loaded with reload it; None fits any.
        """
        begun = time.monotonic()
        ready = None
        counted = False
        with self._changed:
            model.waiting += 1
            try:
                while True:
                    self._expire()
                    if model.loaded and (options is None or model.options in (None, options)):
                        ready = ready if ready is not None else time.monotonic() - begun
                        if model.options is None:
                            model.options = options
                        if model.busy < model.slots:
                            model.busy += 1
                            # Past while the model is busy, as with Ollama: written anew when it is idle.
                            model.expires = min(model.expires, time.time())
                            model.counts["max_busy"] = max(model.counts["max_busy"], model.busy)
                            return ready
                        self._wait(alive)
                        continue
                    if not counted:
                        if self._pending >= self._max_queue:
                            raise QueueFull()
                        self._pending += 1
                        counted = True
                    if self._loading is None and model.busy == 0 and self._make_room(model):
                        self._load(model, options, sleep, load_seconds)
                    else:
                        self._wait(alive)
            except Exception:
                model.counts["cancelled"] += 1
                raise
            finally:
                model.waiting -= 1
                if counted:
                    self._pending -= 1

    def release(self, model, keep_alive=None, cancelled=False):
        with self._changed:
            model.busy -= 1
            model.counts["cancelled" if cancelled else "served"] += 1
            self._keep(model, keep_alive)
            self._changed.notify_all()

    def wake(self):
        with self._changed:
            self._changed.notify_all()

    def _load(self, model, options, sleep, load_seconds):
        self._loading = model
        model.counts["reloads" if model.loaded else "loads"] += 1
        model.loaded = False
        self._changed.release()
        try:
            sleep(model.load if load_seconds is None else load_seconds)
            loaded = True
        except BaseException:
            loaded = False
            raise
        finally:
            self._changed.acquire()
            self._loading = None
            if loaded:
                model.loaded, model.options = True, options
                model.expires = expiry(model.keep_alive)
            self._changed.notify_all()

    def _make_room(self, model):
        loaded = [m for m in self._models.values() if m.loaded and m is not model]
        if not self._max_loaded or len(loaded) < self._max_loaded:
            return True
        idle = [m for m in loaded if m.busy == 0]
        if not idle:
            return False
        min(idle, key=lambda m: m.kept).loaded = False
        return True

    def _keep(self, model, keep_alive):
        kept = model.keep_alive if keep_alive is None else keep_alive
        model.kept = math.inf if kept < 0 else kept
        if model.busy:
            return
        model.expires = expiry(kept)
        if kept == 0:
            model.loaded = False

    def _expire(self):
        now = time.time()
        for model in self._models.values():
            if model.loaded and model.busy == 0 and model.expires <= now:
                model.loaded = False

    def _wait(self, alive):
        # Short, since a client that goes away notifies nobody.
        self._changed.wait(0.05)
        self._changed.release()
        try:
            alive()
        finally:
            self._changed.acquire()

    # ---- Answers

    def put_answers(self, answers):
        for answer in answers:
            unknown = set(answer) - {"contains", "model", "text", "texts", "thinking", "tool_calls"}
            if unknown:
                raise BadConfig("an answer has no " + ", ".join(sorted(unknown)))
        with self._changed:
            self._answers = [dict(answer) for answer in answers]

    def answer(self, model_name, prompt, last_user):
        """(thinking, text, tool calls): of the first scripted answer that fits, else an echo that says what it is."""
        with self._changed:
            for answer in self._answers:
                if answer.get("model") not in (None, model_name) or answer.get("contains", "") not in prompt:
                    continue
                text = answer.get("text", "")
                if answer.get("texts"):
                    text = answer["texts"][0]
                    if len(answer["texts"]) > 1:
                        answer["texts"] = answer["texts"][1:]
                return answer.get("thinking", ""), text, answer.get("tool_calls", [])
        return "", "[simulated %s] %s" % (model_name, last_user), []

    def seen_before(self, text):
        """Whether this prefix was asked for caching already; remembers it."""
        with self._changed:
            key = hashlib.sha256(text.encode()).digest()
            known = key in self._prefixes
            self._prefixes.add(key)
            return known
