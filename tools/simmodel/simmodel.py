"""switchyard-simmodel: a simulated model endpoint for tests and demonstrations. No model runs in it.

It speaks Ollama, OpenAI-compatible (with what vLLM and llama.cpp's server add) and Anthropic Messages on one port, with
the habits of the real ones: models load, stay warm and expire, /api/ps waits while one loads, other runner options
reload it, a prompt beyond num_ctx loses its oldest messages unless truncate is false, answers stream. Every answer
carries the header X-Switchyard-Simulated.

Answers are the same every time: the first scripted answer that fits the prompt, else the last user message after
"[simulated MODEL] ". A token is four characters, in counts and in streams.

On start it prints, and flushes, one line:  port N control C
where N is the endpoint's port and C that of the control path, which answers also while the endpoint plays dead. The
endpoint's port serves the control path too.
"""

import argparse
import json
import os
import signal
import sys
import textwrap
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sim_engine  # noqa: E402
import sim_faults  # noqa: E402
import sim_server  # noqa: E402

MODELS = """
models (--model NAME[,key=value]...; keys and what they are unless given):
  context=8192 default_context=4096   trained window, and the one allocated without num_ctx, in tokens
  load=0 loaded=false keep_alive=300  seconds to load, whether it begins loaded, seconds it stays
  slots=N                             generations at once: 1, with --protocol openai or anthropic 64
  first_token_delay=0 token_delay=0   seconds
  size=1073741824 vram=SIZE           bytes; vram below size means partly on the processor
  remote_host=HOST                    shown as a cloud model of Ollama
  capabilities=completion+tools
"""

FILES = """
configuration (--config FILE, JSON; options add to it):
  {"models": [{"name": "small", "load": 2}], "faults": [{"kind": "429", "times": 1}], "api_key": "...",
   "answers": [{"contains": "fix the build", "model": "small", "text": "...", "thinking": "...",
                "tool_calls": [{"name": "shell", "arguments": {"argv": ["make"]}}]},
               {"contains": "try again", "texts": ["wrong", "wrong", "right"]}]}
  `texts` are given one after the other; the last one stays.

control path (/_sim/...; PUT replaces, POST adds, DELETE clears, GET reads):
  faults     PUT [fault...], POST fault, DELETE, GET; a fault is an object, or text as after --fault
  requests   GET: counts by method and path, and the last requests with headers and body; DELETE
  answers    PUT [answer...]
  models     GET: loaded, loading, busy, max_busy, served, cancelled, loads, reloads by model; PUT [model...];
             POST {"name": ..., "loaded": true|false}
"""


def faults_text():
    lines = ["faults (--fault KIND[,key=value]..., repeatable):"]
    for kind, (what, where, parameters) in sim_faults.KINDS.items():
        shown = " ".join("%s=%s" % (key, "" if value is None else value) for key, value in parameters.items())
        first = "  %-18s " % kind
        text = what + (" [%s]" % shown if shown else "") + (" (everywhere)" if where == "all" else "")
        lines += textwrap.wrap(text, 118, initial_indent=first, subsequent_indent=" " * 21)
    lines.append("  %s   those statuses; 401 and 403 everywhere" % " ".join(sim_faults.STATUSES))
    lines.append("  common keys: model=NAME (only that one), times=N (then no more), on=generation|lists|all|/a/path")
    lines.append("  Faults strike generations unless marked: so lists answer while generation hangs.")
    return "\n".join(lines)


def model_of(text):
    name, *rest = text.split(",")
    model = {"name": name}
    for pair in rest:
        key, separator, value = pair.partition("=")
        if not separator:
            raise sim_engine.BadConfig("%r in %r is not key=value" % (pair, text))
        try:
            model[key] = json.loads(value)
        except ValueError:
            model[key] = value
    return model


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="switchyard-simmodel", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
        epilog=MODELS + "\n" + faults_text() + "\n" + FILES +
        "\nexample:\n  switchyard-simmodel --model small:8b,load=2 --model large:70b,slots=2 --fault 429,times=1\n")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--protocol", choices=("all", "ollama", "openai", "anthropic"), default="all",
                        help="which paths exist; ollama has its own /v1 too, with its habits")
    parser.add_argument("--config", metavar="FILE", help="see below")
    parser.add_argument("--model", action="append", default=[], metavar="SPEC", help="see below; repeatable")
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help="see below; repeatable")
    parser.add_argument("--answers", metavar="FILE", help="a JSON list of answers, as in the configuration")
    parser.add_argument("--api-key", help="then 401 without it, as x-api-key or bearer token")
    parser.add_argument("--max-loaded", type=int, default=0, help="models loaded at once; 0 means any number")
    parser.add_argument("--max-queue", type=int, default=512, help="requests that wait for a load; more get 503")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    parser.add_argument("--verbose", action="store_true", help="log requests on standard error")
    return parser.parse_args(argv)


def build(options):
    config = {}
    if options.config:
        with open(options.config, encoding="utf-8") as file:
            config = json.load(file)
        unknown = set(config) - {"models", "faults", "answers", "api_key"}
        if unknown:
            raise sim_engine.BadConfig("the configuration has no " + ", ".join(sorted(unknown)))
    if options.answers:
        with open(options.answers, encoding="utf-8") as file:
            config["answers"] = json.load(file)
    slots = 64 if options.protocol in ("openai", "anthropic") else 1
    engine = sim_engine.Engine(slots, options.max_queue, options.max_loaded)
    models = config.get("models", []) + [model_of(text) for text in options.model]
    engine.put_models(models or [{"name": "simulated:latest"}])
    engine.put_answers(config.get("answers", []))
    sim = sim_server.Sim(engine, options.protocol, options.api_key or config.get("api_key"), options.verbose)
    sim.faults.replace([*config.get("faults", []), *map(sim_faults.parse, options.fault)])
    return sim


def main(argv):
    options = parse(argv)
    try:
        sim = build(options)
        port, control = sim.start(options.host, options.port, options.control_port)
    except (sim_engine.BadConfig, sim_faults.BadFault, OSError, ValueError) as error:
        print("switchyard-simmodel: %s" % error, file=sys.stderr)
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.until_eof:
        def watch():
            while sys.stdin.buffer.read(4096):
                pass
            ended.set()
        threading.Thread(target=watch, daemon=True).start()
    print("port %d control %d" % (port, control), flush=True)
    ended.wait()
    # Threads may wait for ever on purpose.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
