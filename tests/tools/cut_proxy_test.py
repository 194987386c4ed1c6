"""The cut proxy does what it says: a tool that fails to fail would make every test that uses it worthless."""

import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from cut_proxy import BUFFER, CutProxy  # noqa: E402
from waiting import wait_until  # noqa: E402


class Server:
    """Accepts; tests read and write its ends themselves."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        self.listener.settimeout(10)
        sock, _ = self.listener.accept()
        sock.settimeout(10)
        return sock


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError(f"{len(data)} of {count} bytes")
        data += piece
    return data


class CutProxyTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.listener.close)
        self.proxy = CutProxy(self.server.address, seed=1)
        self.addCleanup(self.proxy.close)

    def connect(self):
        host, port = self.proxy.address.split(":")
        client = socket.create_connection((host, int(port)), timeout=10)
        self.addCleanup(client.close)
        return client

    def pair(self):
        known = set(self.proxy.connections)
        client = self.connect()
        server = self.server.accept()
        wait_until(lambda: self.proxy.connections - known, "the proxy to have it")
        self.addCleanup(server.close)
        return client, server

    def silent(self, sock, seconds=0.3):
        sock.settimeout(seconds)
        with self.assertRaises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)

    def ends_with_reset(self, sock):
        with self.assertRaises(ConnectionResetError):
            while sock.recv(65536):
                pass
            self.fail("it ended without a reset")

    def test_without_a_fault_all_passes_whole_and_ends_pass_too(self):
        client, server = self.pair()
        data = os.urandom(3 * BUFFER)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        self.assertEqual(read_exactly(server, len(data)), data)
        self.assertEqual(server.recv(1), b"")
        sender.join()
        server.sendall(b"still there")
        self.assertEqual(read_exactly(client, 11), b"still there")
        server.close()
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.proxy.passed["up"], len(data))
        wait_until(lambda: not self.proxy.connections, "the connection to be forgotten")

    def test_latency_is_that_of_one_direction(self):
        client, server = self.pair()
        self.proxy.set("up", latency=0.2, jitter=0.05)
        began = time.monotonic()
        client.sendall(b"a")
        read_exactly(server, 1)
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        # Bytes that are under way together arrive together, and in order.
        began = time.monotonic()
        for number in range(20):
            client.sendall(bytes([number]))
            time.sleep(0.005)
        self.assertEqual(read_exactly(server, 20), bytes(range(20)))
        self.assertLess(time.monotonic() - began, 2.0)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_bandwidth_holds_back_and_is_felt_by_the_sender(self):
        client, server = self.pair()
        self.proxy.set("up", bandwidth=100_000)
        began = time.monotonic()
        client.sendall(b"x" * 50_000)
        read_exactly(server, 50_000)
        self.assertGreaterEqual(time.monotonic() - began, 0.45)
        self.proxy.set("up", bandwidth=1000)
        client.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            client.sendall(b"x" * (32 << 20))

    def test_slices_are_small_and_lose_nothing(self):
        client, server = self.pair()
        self.proxy.set("up", slice=3)
        client.sendall(b"0123456789" * 20)
        sizes, got = [], b""
        while len(got) < 200:
            piece = server.recv(65536)
            sizes.append(len(piece))
            got += piece
            time.sleep(0.001)
        self.assertEqual(got, b"0123456789" * 20)
        self.assertGreater(len(sizes), 1)

    def test_a_stalled_way_passes_nothing_not_even_an_end_and_goes_on_whole(self):
        client, server = self.pair()
        self.proxy.stall("up")
        client.sendall(b"late")
        client.shutdown(socket.SHUT_WR)
        self.silent(server)
        server.sendall(b"the other way is open")
        read_exactly(client, 21)
        self.proxy.heal()
        self.assertEqual(read_exactly(server, 4), b"late")
        self.assertEqual(server.recv(1), b"")

    def test_both_ways_stalled_is_silence_on_both_sides_and_for_callers_to_come(self):
        client, server = self.pair()
        self.proxy.stall()
        client.sendall(b"a")
        server.sendall(b"b")
        self.silent(client)
        self.silent(server)
        late = self.connect()
        late.sendall(b"c")
        late_server = self.server.accept()
        self.addCleanup(late_server.close)
        self.silent(late_server)
        self.proxy.heal()
        self.assertEqual(read_exactly(client, 1), b"b")
        self.assertEqual(read_exactly(server, 1), b"a")
        self.assertEqual(read_exactly(late_server, 1), b"c")

    def test_a_reset_is_one_on_both_sides(self):
        client, server = self.pair()
        self.assertEqual(self.proxy.reset(), 1)
        self.ends_with_reset(client)
        self.ends_with_reset(server)
        self.assertFalse(self.proxy.connections)
        # Callers to come are served.
        client, server = self.pair()
        client.sendall(b"a")
        read_exactly(server, 1)

    def test_an_abandoned_side_is_told_nothing_until_it_heals(self):
        for keep in ("client", "server"):
            with self.subTest(keep=keep):
                sides = dict(zip(("client", "server"), self.pair()))
                kept, other = sides.pop(keep), next(iter(sides.values()))
                self.proxy.abandon(keep)
                self.ends_with_reset(other)
                kept.sendall(b"anybody there?")
                self.silent(kept)
                self.proxy.heal()
                self.ends_with_reset(kept)

    def test_it_cuts_after_exactly_so_many_bytes(self):
        client, server = self.pair()
        self.proxy.cut_after(100, "up", "close")
        client.sendall(b"x" * 300)
        self.assertEqual(read_exactly(server, 100), b"x" * 100)
        self.assertEqual(server.recv(1), b"")
        # A connection to come as well, until it heals.
        client, server = self.pair()
        client.sendall(b"y" * 101)
        self.assertEqual(read_exactly(server, 100), b"y" * 100)
        self.assertEqual(server.recv(1), b"")
        self.proxy.heal()
        client, server = self.pair()
        client.sendall(b"z" * 300)
        read_exactly(server, 300)

    def test_it_cuts_with_a_reset_or_into_silence(self):
        client, server = self.pair()
        self.proxy.cut_after(10, "down", "reset")
        server.sendall(b"x" * 20)
        self.ends_with_reset(client)
        self.proxy.cut_after(10, "down", "stall")
        client, server = self.pair()
        server.sendall(b"x" * 20)
        self.assertEqual(read_exactly(client, 10), b"x" * 10)
        self.silent(client)
        client.sendall(b"a")
        self.silent(server)

    def test_callers_are_refused_while_it_says_so(self):
        client, server = self.pair()
        self.proxy.refuse()
        with self.assertRaises(OSError):
            refused = self.connect()
            refused.settimeout(10)
            if refused.recv(1) == b"":
                raise ConnectionResetError
        client.sendall(b"a")
        read_exactly(server, 1)
        self.proxy.refuse(False)
        self.pair()

    def test_a_target_that_is_away_is_a_refusal(self):
        self.server.listener.close()
        with self.assertRaises(OSError):
            refused = self.connect()
            refused.settimeout(10)
            if refused.recv(1) == b"":
                raise ConnectionResetError

    def test_names_of_faults_are_checked(self):
        with self.assertRaises(AttributeError):
            self.proxy.set("up", lag=1)
        with self.assertRaises(ValueError):
            self.proxy.cut_after(1, "up", "nicely")


if __name__ == "__main__":
    unittest.main()
