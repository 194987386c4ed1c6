"""The simulated endpoint does what clients must get right: each protocol, its states, every fault."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sim_client import LAUNCHER, Endpoint  # noqa: E402

ANTHROPIC = {"anthropic-version": "2023-06-01"}


def chat(text, model="m", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line]


def events(text):
    """(event, data) of a stream; data as text."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields:
            found.append((fields.get("event", ""), fields["data"]))
    return found


class SimmodelTest(unittest.TestCase):
    def start(self, *options):
        endpoint = Endpoint(*options)
        self.addCleanup(endpoint.close)
        return endpoint

    def wait_until(self, condition):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, "it never came")
            time.sleep(0.01)

    def in_background(self, function, *arguments):
        result = []

        def work():
            try:
                result.append(function(*arguments))
            except (OSError, http.client.HTTPException) as error:
                result.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()

        def join():
            thread.join(30)
            return result[0]
        return join


class OllamaTest(SimmodelTest):
    def test_lists_shows_and_says_that_it_is_simulated(self):
        sim = self.start("--model", "m,context=2048,size=100,vram=40")
        status, text, headers = sim.ask("GET", "/")
        self.assertEqual((status, text, headers["X-Switchyard-Simulated"]), (200, "Ollama is running", "1"))
        tag = sim.json("GET", "/api/tags")["models"][0]
        self.assertEqual((tag["name"], tag["size"], tag["details"]["context_length"]), ("m", 100, 2048))
        shown = sim.json("POST", "/api/show", {"model": "m"})
        self.assertEqual(shown["model_info"]["simulated.context_length"], 2048)
        self.assertEqual(sim.ask("POST", "/api/show", {"model": "x"})[0], 404)
        self.assertEqual(sim.json("GET", "/api/ps"), {"models": []})

    def test_a_chat_streams_lines_of_four_characters_and_ends_with_counts(self):
        sim = self.start("--model", "m")
        status, text, headers = sim.ask("POST", "/api/chat", chat("hello"))
        self.assertEqual((status, headers["Content-Type"]), (200, "application/x-ndjson"))
        said = lines(text)
        self.assertEqual("".join(line["message"]["content"] for line in said), "[simulated m] hello")
        self.assertEqual(said[-1]["done_reason"], "stop")
        self.assertEqual((said[-1]["prompt_eval_count"], said[-1]["eval_count"]), (2, 5))
        self.assertEqual([line["done"] for line in said], [False] * 5 + [True])
        whole = sim.json("POST", "/api/chat", chat("hello", stream=False))
        self.assertEqual((whole["message"]["content"], whole["done"]), ("[simulated m] hello", True))

    def test_generate_and_length(self):
        sim = self.start("--model", "m")
        whole = sim.json("POST", "/api/generate",
                         {"model": "m", "prompt": "x", "stream": False, "options": {"num_predict": 2}})
        self.assertEqual((whole["response"], whole["done_reason"]), ("[simulat", "length"))

    def test_lists_of_loaded_models_wait_while_one_loads(self):
        sim = self.start("--model", "m")
        sim.sim("PUT", "faults", [{"kind": "load_stuck"}])
        connection = http.client.HTTPConnection("127.0.0.1", sim.port)
        connection.request("POST", "/api/chat", json.dumps(chat("hello")))
        self.wait_until(lambda: sim.model("m")["loading"])
        with self.assertRaises(TimeoutError):
            sim.open("GET", "/api/ps", timeout=0.2)
        self.assertEqual(sim.ask("GET", "/api/version")[0], 200)
        self.assertEqual(sim.ask("GET", "/api/tags")[0], 200)
        self.assertEqual(sim.ask("GET", "/health")[0], 503)
        connection.close()
        self.assertEqual(sim.json("GET", "/api/ps"), {"models": []})
        self.assertEqual(sim.model("m")["cancelled"], 1)

    def test_a_busy_model_shows_an_expiry_in_the_past(self):
        sim = self.start("--model", "m,size=100,vram=40")
        sim.sim("PUT", "faults", [{"kind": "hang_after", "tokens": 2}])
        connection, _ = sim.open("POST", "/api/chat", chat("hello", keep_alive="10m"))
        self.wait_until(lambda: sim.model("m")["busy"] == 1)
        busy = sim.json("GET", "/api/ps")["models"][0]
        self.assertLessEqual(busy["expires_at"][:19], time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()))
        self.assertEqual((busy["size_vram"], busy["context_length"]), (40, 4096))
        connection.close()
        self.wait_until(lambda: sim.model("m")["busy"] == 0)
        idle = sim.json("GET", "/api/ps")["models"][0]
        self.assertGreater(idle["expires_at"][:19], time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()))

    def test_keep_alive_is_read_as_ollama_reads_it(self):
        sim = self.start("--model", "m")
        preload = {"model": "m", "messages": []}
        loaded = sim.json("POST", "/api/chat", {**preload, "keep_alive": -1})
        self.assertEqual(loaded["done_reason"], "load")
        self.assertEqual(sim.json("GET", "/api/ps")["models"][0]["expires_at"][:4], "2318")
        self.assertEqual(sim.ask("POST", "/api/chat", {**preload, "keep_alive": "-1"})[0], 400)
        self.assertEqual(sim.ask("POST", "/api/chat", {**preload, "keep_alive": "-1m"})[0], 200)
        self.assertEqual(sim.json("POST", "/api/chat", {**preload, "keep_alive": 0})["done_reason"], "unload")
        self.assertFalse(sim.model("m")["loaded"])

    def test_other_runner_options_reload_and_the_same_do_not(self):
        sim = self.start("--protocol", "ollama", "--model", "m")
        for _ in range(2):
            sim.json("POST", "/api/chat", chat("a", stream=False, options={"num_ctx": 8192}))
        self.assertEqual((sim.model("m")["loads"], sim.model("m")["reloads"]), (1, 0))
        sim.json("POST", "/v1/chat/completions", chat("a"))
        self.assertEqual(sim.model("m")["reloads"], 1)

    def test_a_long_prompt_loses_its_oldest_messages_unless_told_not_to(self):
        sim = self.start("--model", "m")
        body = {"model": "m", "stream": False, "options": {"num_ctx": 100}, "messages": [
            {"role": "system", "content": "s" * 40}, {"role": "user", "content": "a" * 400},
            {"role": "user", "content": "last"}]}
        self.assertEqual(sim.json("POST", "/api/chat", body)["prompt_eval_count"], 11)
        self.assertEqual(sim.ask("POST", "/api/chat", {**body, "truncate": False})[0], 400)

    def test_tool_calls_arrive_whole_as_objects_before_the_last_line(self):
        sim = self.start("--model", "m")
        call = {"name": "shell", "arguments": {"argv": ["make"]}}
        sim.sim("PUT", "answers", [{"contains": "fix", "thinking": "hm", "tool_calls": [call]}])
        said = lines(sim.ask("POST", "/api/chat", chat("fix it", think=True))[1])
        self.assertEqual(said[0]["message"]["thinking"], "hm")
        self.assertEqual(said[-2]["message"]["tool_calls"][0]["function"]["arguments"], {"argv": ["make"]})
        self.assertEqual((said[-2]["done"], said[-1]["done_reason"]), (False, "stop"))

    def test_requests_beyond_the_queue_are_told_so_while_loads_are_pending(self):
        sim = self.start("--model", "m", "--max-queue", "1")
        sim.sim("PUT", "faults", [{"kind": "load_stuck"}])
        connection = http.client.HTTPConnection("127.0.0.1", sim.port)
        connection.request("POST", "/api/chat", json.dumps(chat("hello")))
        self.wait_until(lambda: sim.model("m")["loading"])
        status, text, _ = sim.ask("POST", "/api/chat", chat("hello"))
        self.assertEqual((status, json.loads(text)["error"]),
                         (503, "server busy, please try again.  maximum pending requests exceeded"))
        connection.close()

    def test_never_more_generations_than_slots(self):
        sim = self.start("--model", "m,slots=2")
        waits = [self.in_background(sim.ask, "POST", "/api/chat", chat("hello")) for _ in range(12)]
        self.assertTrue(all(wait()[0] == 200 for wait in waits))
        self.assertLessEqual(sim.model("m")["max_busy"], 2)
        self.assertEqual(sim.model("m")["served"], 12)


class OpenAiTest(SimmodelTest):
    def test_lists_models_and_capacity(self):
        sim = self.start("--protocol", "openai", "--model", "m,context=2048,slots=3")
        listed = sim.json("GET", "/v1/models")["data"][0]
        self.assertEqual((listed["id"], listed["max_model_len"]), ("m", 2048))
        self.assertEqual(sim.json("GET", "/props")["total_slots"], 3)
        self.assertEqual(len(sim.json("GET", "/slots")), 3)
        self.assertIn("llamacpp:requests_processing 0", sim.ask("GET", "/metrics")[1])
        self.assertEqual(sim.ask("GET", "/api/tags")[0], 404)

    def test_a_stream_ends_with_finish_usage_and_done(self):
        sim = self.start("--model", "m")
        body = chat("hello", stream=True, stream_options={"include_usage": True})
        said = [data for _, data in events(sim.ask("POST", "/v1/chat/completions", body)[1])]
        self.assertEqual(said[-1], "[DONE]")
        chunks = [json.loads(data) for data in said[:-1]]
        self.assertEqual((chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"]), ([], 5))
        self.assertEqual(chunks[-2]["choices"][0]["finish_reason"], "stop")
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
        self.assertEqual(text, "[simulated m] hello")

    def test_whole_answers_and_arguments_as_fragments(self):
        sim = self.start("--model", "m")
        call = {"name": "shell", "arguments": {"argv": ["make"]}}
        sim.sim("PUT", "answers", [{"contains": "fix", "tool_calls": [call]}])
        whole = sim.json("POST", "/v1/chat/completions", chat("hello", max_tokens=1))
        self.assertEqual(whole["choices"][0]["finish_reason"], "length")
        whole = sim.json("POST", "/v1/chat/completions", chat("fix"))
        self.assertEqual(whole["choices"][0]["finish_reason"], "tool_calls")
        said = events(sim.ask("POST", "/v1/chat/completions", chat("fix", stream=True))[1])
        calls = [call for _, data in said[:-1] for choice in json.loads(data)["choices"]
                 for call in choice["delta"].get("tool_calls", [])]
        self.assertEqual(json.loads("".join(c["function"]["arguments"] for c in calls)), {"argv": ["make"]})

    def test_errors_have_codes(self):
        sim = self.start("--protocol", "openai", "--model", "m,context=10", "--api-key", "k")
        self.assertEqual(sim.json("GET", "/v1/models")["error"]["code"], "invalid_api_key")
        key = {"Authorization": "Bearer k"}
        self.assertEqual(sim.json("POST", "/v1/chat/completions", chat("a" * 99), key)["error"]["code"],
                         "context_length_exceeded")
        self.assertEqual(sim.json("POST", "/v1/chat/completions", chat("a", "x"), key)["error"]["code"],
                         "model_not_found")
        sim.sim("PUT", "faults", [{"kind": "spend_limit"}])
        self.assertEqual(sim.json("POST", "/v1/chat/completions", chat("a"), key)["error"]["code"],
                         "insufficient_quota")
        self.assertNotIn("Bearer", json.dumps(sim.sim("GET", "requests")))

    def test_done_and_finish_can_be_missing(self):
        sim = self.start("--model", "m")
        sim.sim("PUT", "faults", [{"kind": "no_done", "times": 1}])
        said = events(sim.ask("POST", "/v1/chat/completions", chat("a", stream=True))[1])
        self.assertEqual(json.loads(said[-1][1])["choices"][0]["finish_reason"], "stop")
        sim.sim("PUT", "faults", [{"kind": "no_finish"}])
        said = events(sim.ask("POST", "/v1/chat/completions", chat("a", stream=True))[1])
        self.assertEqual(said[-1][1], "[DONE]")
        self.assertIsNone(json.loads(said[-2][1])["choices"][0]["finish_reason"])


class AnthropicTest(SimmodelTest):
    def ask(self, sim, text="hello", **more):
        return sim.ask("POST", "/v1/messages", chat(text, max_tokens=100, **more), ANTHROPIC)

    def test_a_stream_has_every_event_in_order(self):
        sim = self.start("--model", "m")
        said = events(self.ask(sim, stream=True)[1])
        names = [name for name, _ in said]
        self.assertEqual(names[:3], ["message_start", "ping", "content_block_start"])
        self.assertEqual(names[-3:], ["content_block_stop", "message_delta", "message_stop"])
        deltas = [json.loads(data)["delta"]["text"] for name, data in said if name == "content_block_delta"]
        self.assertEqual("".join(deltas), "[simulated m] hello")
        final = json.loads(said[-2][1])
        self.assertEqual((final["delta"]["stop_reason"], final["usage"]["output_tokens"]), ("end_turn", 5))

    def test_thinking_and_tools_have_blocks_of_their_own(self):
        sim = self.start("--model", "m")
        call = {"name": "shell", "arguments": {"argv": ["make"]}}
        sim.sim("PUT", "answers", [{"thinking": "hm", "text": "so", "tool_calls": [call]}])
        said = events(self.ask(sim, stream=True, thinking={"type": "enabled"})[1])
        kinds = [json.loads(data)["content_block"]["type"] for name, data in said if name == "content_block_start"]
        self.assertEqual(kinds, ["thinking", "text", "tool_use"])
        deltas = [json.loads(data)["delta"] for name, data in said if name == "content_block_delta"]
        self.assertIn("signature_delta", [delta["type"] for delta in deltas])
        self.assertEqual(json.loads("".join(delta.get("partial_json", "") for delta in deltas)), {"argv": ["make"]})
        whole = json.loads(self.ask(sim)[1])
        self.assertEqual((whole["stop_reason"], whole["content"][-1]["input"]), ("tool_use", {"argv": ["make"]}))

    def test_a_marked_prefix_is_written_to_the_cache_and_read_the_next_time(self):
        sim = self.start("--model", "m")
        system = [{"type": "text", "text": "s" * 40, "cache_control": {"type": "ephemeral"}}]
        first = json.loads(self.ask(sim, system=system)[1])["usage"]
        second = json.loads(self.ask(sim, "other", system=system)[1])["usage"]
        self.assertEqual([first["cache_creation_input_tokens"], first["cache_read_input_tokens"]], [10, 0])
        self.assertEqual([second["cache_creation_input_tokens"], second["cache_read_input_tokens"]], [0, 10])
        self.assertEqual(first["input_tokens"], 2)

    def test_what_is_missing_is_an_error_in_its_words(self):
        sim = self.start("--model", "m")
        self.assertEqual(sim.ask("POST", "/v1/messages", chat("a", max_tokens=9))[0], 400)
        status, text, _ = sim.ask("POST", "/v1/messages", chat("a"), ANTHROPIC)
        self.assertEqual((status, json.loads(text)["error"]["type"]), (400, "invalid_request_error"))
        self.assertIn("request_id", json.loads(text))
        counted = sim.json("POST", "/v1/messages/count_tokens", chat("a" * 40), ANTHROPIC)
        self.assertEqual(counted, {"input_tokens": 10})
        self.assertEqual(sim.json("GET", "/v1/models", headers=ANTHROPIC)["data"][0]["type"], "model")

    def test_statuses_and_spend_limits(self):
        sim = self.start("--model", "m")
        wanted = {"401": "authentication_error", "402": "billing_error", "403": "permission_error",
                  "429": "rate_limit_error", "529": "overloaded_error", "500": "api_error"}
        for kind, name in wanted.items():
            sim.sim("PUT", "faults", [{"kind": kind}])
            status, text, headers = self.ask(sim)
            self.assertEqual((str(status), json.loads(text)["error"]["type"]), (kind, name))
            self.assertEqual(headers["Retry-After"], "1" if kind == "429" else None)
        sim.sim("PUT", "faults", [{"kind": "spend_limit"}])
        status, text, headers = self.ask(sim)
        self.assertEqual(json.loads(text)["error"]["details"]["error_code"], "enforced_spend_limit_reached")
        self.assertIsNone(headers["Retry-After"])


class FaultsTest(SimmodelTest):
    # Path, headers and the end mark of each protocol's stream.
    STREAMS = (("/api/chat", {}, '"done":true'), ("/v1/chat/completions", {}, "[DONE]"),
               ("/v1/messages", ANTHROPIC, "message_stop"))

    def stream(self, sim, path, headers, **more):
        return sim.ask("POST", path, chat("hello", stream=True, max_tokens=100, **more), headers)

    def each(self, sim, fault):
        sim.sim("PUT", "faults", [fault])
        for path, headers, mark in self.STREAMS:
            with self.subTest(path=path):
                yield path, headers, mark

    def test_a_dead_endpoint_refuses_and_comes_back_on_its_port(self):
        sim = self.start("--model", "m")
        sim.sim("PUT", "faults", [{"kind": "dead"}])
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sim.port))
        sim.sim("DELETE", "faults")
        self.assertEqual(sim.ask("GET", "/api/tags")[0], 200)

    def test_death_resets_what_is_under_way(self):
        sim = self.start("--model", "m")
        sim.sim("PUT", "faults", [{"kind": "hang"}])
        join = self.in_background(sim.ask, "POST", "/api/chat", chat("hello"))
        self.wait_until(lambda: sim.sim("GET", "requests")["total"] == 1)
        sim.sim("POST", "faults", {"kind": "dead"})
        self.assertIsInstance(join(), (ConnectionResetError, http.client.RemoteDisconnected))

    def test_lists_answer_while_generation_hangs(self):
        sim = self.start("--model", "m", "--fault", "hang")
        with self.assertRaises(TimeoutError):
            sim.open("POST", "/api/chat", chat("hello"), timeout=0.2)
        for path in ("/api/tags", "/api/ps", "/v1/models"):
            self.assertEqual(sim.ask("GET", path)[0], 200)

    def test_headers_can_be_all_that_comes(self):
        sim = self.start("--model", "m")
        for path, headers, _ in self.each(sim, {"kind": "hang_after_headers"}):
            connection, response = sim.open("POST", path, chat("a", stream=True, max_tokens=9), headers, timeout=0.5)
            self.assertEqual(response.status, 200)
            with self.assertRaises(TimeoutError):
                response.read(1)
            connection.close()

    def test_truncated_and_reset_streams_are_transfers_that_do_not_end(self):
        sim = self.start("--model", "m")
        for kind in ("truncate", "reset"):
            for path, headers, _ in self.each(sim, {"kind": kind, "tokens": 2}):
                with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
                    self.stream(sim, path, headers)

    def test_a_stream_can_end_well_without_its_end_mark(self):
        sim = self.start("--model", "m")
        for path, headers, mark in self.each(sim, {"kind": "no_end", "tokens": 2}):
            text = self.stream(sim, path, headers)[1]
            self.assertIn("[sim", text)
            self.assertNotIn(mark, text)

    def test_malformed_json_comes_among_what_is_well_formed(self):
        sim = self.start("--model", "m")
        for path, headers, mark in self.each(sim, {"kind": "malformed", "tokens": 2}):
            text = self.stream(sim, path, headers)[1]
            self.assertIn("{{", text)
            self.assertIn(mark, text)
            body = sim.ask("POST", path, chat("a", stream=False, max_tokens=9), headers)[1]
            with self.assertRaises(ValueError):
                json.loads(body)

    def test_errors_can_come_after_status_200(self):
        sim = self.start("--model", "m")
        for path, headers, mark in self.each(sim, {"kind": "error_in_stream", "message": "broke"}):
            status, text, _ = self.stream(sim, path, headers)
            self.assertEqual(status, 200)
            self.assertIn("broke", text)
            self.assertNotIn(mark, text)

    def test_empty_answers_end_well(self):
        sim = self.start("--model", "m")
        for path, headers, mark in self.each(sim, {"kind": "empty"}):
            text = self.stream(sim, path, headers)[1]
            self.assertNotIn("[sim", text)
            self.assertIn(mark, text)

    def test_answers_can_name_another_model(self):
        sim = self.start("--model", "m", "--fault", "wrong_model,name=liar")
        for path, headers, _ in self.STREAMS:
            self.assertIn('"model":"liar"', self.stream(sim, path, headers)[1])
            whole = sim.json("POST", path, chat("a", stream=False, max_tokens=9), headers)
            self.assertEqual(whole["model"], "liar")

    def test_pieces_change_nothing_but_the_borders(self):
        sim = self.start("--model", "m")
        whole = [events(self.stream(sim, *each[:2])[1])[1:] for each in self.STREAMS[2:]]
        sim.sim("PUT", "faults", [{"kind": "pieces", "bytes": 1}])
        self.assertEqual([events(self.stream(sim, *each[:2])[1])[1:] for each in self.STREAMS[2:]], whole)

    def test_big_answers_have_their_size(self):
        sim = self.start("--model", "m", "--fault", "big,bytes=1000000")
        said = lines(self.stream(sim, "/api/chat", {})[1])
        self.assertEqual(sum(len(line["message"]["content"]) for line in said), 1_000_000)

    def test_faults_hold_for_a_model_and_a_number_of_times(self):
        sim = self.start("--model", "a", "--model", "b", "--fault", "500,model=a,times=2")
        statuses = [sim.ask("POST", "/api/chat", chat("x", name))[0] for name in ("b", "a", "a", "a")]
        self.assertEqual(statuses, [200, 500, 500, 200])

    def test_faults_can_be_given_as_text(self):
        sim = self.start("--model", "m")
        sim.sim("PUT", "faults", ["429,times=1,retry_after=7", "slow_tokens,seconds=0"])
        status, _, headers = sim.ask("POST", "/api/chat", chat("x"))
        self.assertEqual((status, headers["Retry-After"]), (429, "7"))
        self.assertEqual([fault["kind"] for fault in sim.sim("GET", "faults")["faults"]], ["slow_tokens"])

    def test_nonsense_is_refused_with_what_there_is(self):
        sim = self.start("--model", "m")
        for body in ([{"kind": "ded"}], [{"kind": "dead", "sec": 1}], [3]):
            self.assertEqual(sim.ask("PUT", "/_sim/faults", body)[0], 400)
        bad = subprocess.run([LAUNCHER, "--fault", "ded"], capture_output=True, text=True, check=False)
        self.assertEqual(bad.returncode, 2)
        self.assertIn("there is no fault 'ded'", bad.stderr)

    def test_requests_are_counted_and_can_be_read(self):
        sim = self.start("--model", "m")
        sim.ask("GET", "/api/tags")
        sim.ask("POST", "/api/chat", chat("hello", truncate=False), {"x-api-key": "secret"})
        log = sim.sim("GET", "requests")
        self.assertEqual(log["counts"], {"GET /api/tags": 1, "POST /api/chat": 1})
        self.assertEqual(log["requests"][1]["body"]["truncate"], False)
        self.assertEqual(log["requests"][1]["headers"]["x-api-key"], "present")
        sim.sim("DELETE", "requests")
        self.assertEqual(sim.sim("GET", "requests")["total"], 0)

    def test_scripted_answers_follow_each_other(self):
        sim = self.start("--model", "m")
        sim.sim("PUT", "answers", [{"contains": "try", "texts": ["no", "yes"]}])
        said = [sim.json("POST", "/api/chat", chat("try", stream=False))["message"]["content"] for _ in range(3)]
        self.assertEqual(said, ["no", "yes", "yes"])


if __name__ == "__main__":
    unittest.main()
