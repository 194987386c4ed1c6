"""A network between two processes that fails as one is told to: slow, thin, in small pieces, half-open, reset, cut."""

import asyncio
import collections
import random
import socket
import struct
import threading

# Bytes that wait in one direction of one connection; beyond it, the sender feels it.
BUFFER = 256 * 1024
UP, DOWN = "up", "down"


class Way:
    """What one direction does to bytes; "up" is from whoever dials to the server. Changes count at once."""

    def __init__(self):
        self.latency = 0.0  # seconds, for each byte
        self.jitter = 0.0  # up to this much more; the order stays
        self.bandwidth = 0  # bytes per second and connection; 0: unlimited
        self.slice = 0  # most bytes of one segment; 0: as they come
        self.stalled = False  # nothing passes, nothing is lost, nobody is told: not even of an end
        self.left = None  # for connections to come: bytes until the cut

    def clear(self):
        self.__init__()


class _Pipe:
    """One direction of one connection."""

    def __init__(self, proxy, name, source, target):
        self.proxy, self.name, self.way = proxy, name, proxy.ways[name]
        self.source, self.target = source, target
        self.waiting, self.bytes = collections.deque(), 0
        self.ended = False
        self.changed = asyncio.Event()
        self.left = self.way.left
        self.cut_how = proxy.cut_how

    async def wait(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def read(self):
        loop = asyncio.get_running_loop()
        last = 0.0
        while True:
            await self.wait(lambda: not self.way.stalled and self.bytes < BUFFER)
            data = await loop.sock_recv(self.source, 65536)
            due = max(last, loop.time() + self.way.latency + self.proxy.rng.random() * self.way.jitter)
            last = due
            if not data:
                self.ended = True
                self.waiting.append((due, b""))
                self.changed.set()
                return
            self.bytes += len(data)
            self.waiting.append((due, data))
            self.changed.set()

    async def write(self):
        """Until the end has passed too; True when the connection was cut."""
        loop = asyncio.get_running_loop()
        while True:
            await self.wait(lambda: self.waiting and not self.way.stalled)
            due, data = self.waiting[0]
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
                continue
            self.waiting.popleft()
            if not data:
                self.target.shutdown(socket.SHUT_WR)
                return False
            at = 0
            while at < len(data):
                await self.wait(lambda: not self.way.stalled)
                piece = data[at:at + self._piece(len(data) - at)]
                if piece:
                    await loop.sock_sendall(self.target, piece)
                    self.proxy.passed[self.name] += len(piece)
                    at += len(piece)
                if self.left is not None:
                    self.left -= len(piece)
                    if self.left <= 0:
                        return True
                if self.way.bandwidth:
                    await asyncio.sleep(len(piece) / self.way.bandwidth)
                elif self.way.slice:
                    await asyncio.sleep(0)
            self.bytes -= len(data)
            self.changed.set()

    def _piece(self, most):
        if self.way.slice:
            most = min(most, self.way.slice)
        if self.way.bandwidth:
            most = min(most, max(1, self.way.bandwidth // 20))
        if self.left is not None:
            most = min(most, max(0, self.left))
        return most


class _Connection:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.pipes = {UP: _Pipe(proxy, UP, client, server), DOWN: _Pipe(proxy, DOWN, server, client)}
        self.tasks = []
        self.kept = set()

    async def run(self):
        loop = asyncio.get_running_loop()
        writers = [loop.create_task(pipe.write()) for pipe in self.pipes.values()]
        readers = [loop.create_task(pipe.read()) for pipe in self.pipes.values()]
        self.tasks = writers + readers
        how = "close"
        try:
            open_ways = set(writers)
            while open_ways:
                # A reader ends well at an end of file; its writer passes that on.
                done, _ = await asyncio.wait([*open_ways, *(task for task in readers if not task.done())],
                                             return_when=asyncio.FIRST_COMPLETED)
                if any(task.exception() is not None for task in done):
                    how = "reset"
                    break
                cut = [pipe for task, pipe in zip(writers, self.pipes.values()) if task in done and task.result()]
                if cut:
                    how = cut[0].cut_how
                    break
                open_ways -= done
        except asyncio.CancelledError:
            return
        if how == "stall":
            await self.end("stall", keep=("client", "server"))
        else:
            await self.end(how)

    async def end(self, how, keep=()):
        """The sockets of the sides in `keep` stay open, and nobody reads them any more."""
        for task in self.tasks:
            task.cancel()
        # A socket that is closed while the loop looks at it would be mixed up with the next one.
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for side, sock in (("client", self.client), ("server", self.server)):
            if side in keep:
                self.kept.add(side)
                continue
            if how == "reset":
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except OSError:
                    pass
            sock.close()
        if not self.kept:
            self.proxy.connections.discard(self)


class CutProxy:
    """Listens on a free port of the loopback interface and connects each caller with `target`. Any thread may call it.

    `up` and `down` are the two Ways; heal() clears them. What was stalled goes on where it stopped, late but whole, as
    TCP does when a cable is plugged in again; meanwhile not even a FIN or RST passes."""

    def __init__(self, target, seed=0):
        self.target = target
        self.rng = random.Random(seed)
        self.ways = {UP: Way(), DOWN: Way()}
        self.refusing = False
        self.cut_how = "reset"
        self.accepted = 0
        self.passed = {UP: 0, DOWN: 0}
        self.connections = set()
        self._tasks = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self._listener.setblocking(False)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def up(self):
        return self.ways[UP]

    @property
    def down(self):
        return self.ways[DOWN]

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._accepting = self._loop.create_task(self._accept())
        self._loop.run_forever()

    async def _accept(self):
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            self.accepted += 1
            if self.refusing:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            task = self._loop.create_task(self._connect(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, client):
        server = socket.socket()
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = self.target.rsplit(":", 1)
        connected = False
        try:
            await self._loop.sock_connect(server, (host, int(port)))
            connected = True
        except OSError:
            pass
        finally:
            if not connected:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                server.close()
        if not connected:
            return
        connection = _Connection(self, client, server)
        self.connections.add(connection)
        await connection.run()

    def _on_loop(self, work):
        """work() on the proxy's thread; what it returns, or what that coroutine does."""
        async def call():
            result = work()
            return await result if asyncio.iscoroutine(result) else result
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    def _wake(self):
        for connection in self.connections:
            for pipe in connection.pipes.values():
                pipe.changed.set()

    def set(self, way="both", **what):
        """set("down", latency=0.2, jitter=0.1), set(stalled=True) …"""
        def work():
            for name in (UP, DOWN) if way == "both" else (way,):
                for key, value in what.items():
                    if not hasattr(self.ways[name], key) or key == "left":
                        raise AttributeError(key)
                    setattr(self.ways[name], key, value)
            self._wake()
        self._on_loop(work)

    def stall(self, way="both"):
        """Half-open: the sockets stay, nothing passes."""
        self.set(way, stalled=True)

    def refuse(self, refusing=True):
        """Callers to come are reset at once."""
        self._on_loop(lambda: setattr(self, "refusing", refusing))

    def cut_after(self, count, way=UP, how="reset"):
        """Each connection, now and to come, ends once it has passed that many more bytes: "reset", "close", or "stall" for
        ever."""
        if how not in ("reset", "close", "stall"):
            raise ValueError(how)

        def work():
            self.cut_how = how
            self.ways[way].left = count
            for connection in self.connections:
                connection.pipes[way].left, connection.pipes[way].cut_how = count, how
        self._on_loop(work)

    def reset(self):
        """Every connection ends with RST on both sides; how many did."""
        return self._end("reset", ())

    def abandon(self, keep):
        """Every connection is reset on one side only; the side `keep` ("client" or "server") is told nothing."""
        return self._end("reset", (keep,))

    def _end(self, how, keep):
        async def work():
            ending = [connection for connection in self.connections if not connection.kept]
            for connection in ending:
                await connection.end(how, keep)
            return len(ending)
        return self._on_loop(work)

    def heal(self):
        """As a network should be, for the connections that still stand and those to come. What was abandoned is reset."""
        async def work():
            for way in self.ways.values():
                way.clear()
            self.refusing = False
            for connection in list(self.connections):
                for pipe in connection.pipes.values():
                    pipe.left = None
                if connection.kept:
                    connection.kept.clear()
                    await connection.end("reset")
            self._wake()
        self._on_loop(work)

    def close(self):
        if self._loop.is_closed():
            return

        async def work():
            ending = [self._accepting, *self._tasks]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            for connection in list(self.connections):
                connection.kept.clear()
                await connection.end("reset")
        self._on_loop(work)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
