"""A hub without agents of its own: tests say who is there, and do the agents' work at the ledger themselves."""

import queue
import threading
from concurrent import futures

import grpc

import stubs

dispatch = stubs.agent_dispatch
SERVICE = "switchyard.agent.v1.AgentDispatchService"


class FakeHub:
    """Serves AgentDispatchService on a free port of the loopback interface."""

    def __init__(self):
        self._lock = threading.Lock()
        self._watches = []
        self._agents = {}
        self.items = []
        self._arrived = threading.Condition()
        self.schedulers = []
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
            "WatchCapacity": grpc.unary_stream_rpc_method_handler(
                self._watch, dispatch.WatchCapacityRequest.FromString, dispatch.WatchCapacityResponse.SerializeToString),
            "Dispatch": grpc.unary_unary_rpc_method_handler(
                self._dispatch, dispatch.DispatchRequest.FromString, dispatch.DispatchResponse.SerializeToString),
        }),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _watch(self, request, context):
        news = queue.SimpleQueue()
        with self._lock:
            self.schedulers.append(request.scheduler_id)
            self._watches.append(news)
            number = len(self._watches)
            snapshot = [self._copy(agent) for agent in self._agents.values()]
        context.add_callback(lambda: news.put(None))
        yield dispatch.WatchCapacityResponse(sequence=1, watch_id=f"watch-{number}", hub_id="fake", agents=snapshot,
                                             snapshot_complete=True)
        sequence = 1
        while (message := news.get()) is not None:
            sequence += 1
            message.sequence = sequence
            yield message
        with self._lock:
            self._watches[number - 1] = None

    @staticmethod
    def _copy(agent):
        copy = dispatch.AgentCapacity()
        copy.CopyFrom(agent)
        return copy

    def _tell(self, **fields):
        for news in self._watches:
            if news is not None:
                news.put(dispatch.WatchCapacityResponse(**fields))

    def _dispatch(self, request, _):
        with self._arrived:
            self.items += request.items
            self._arrived.notify_all()
        return dispatch.DispatchResponse(
            results=[dispatch.DispatchResult(task_id=item.assignment.task_id) for item in request.items])

    def put(self, agent, credits, features=("kind.command",), capabilities=(), available=True, reason=""):
        """Announces an agent of tests/lib/agents.py with its session."""
        with self._lock:
            handle = self._agents[agent.name].handle if agent.name in self._agents else len(self._agents) + 1
            self._agents[agent.name] = dispatch.AgentCapacity(
                agent_id=agent.name, name=agent.name, session_epoch=agent.epoch, protocol_version=1, features=features,
                capabilities=capabilities, slots=credits, available=available, unavailable_reason=reason,
                credit_limit=credits, handle=handle)
            self._tell(agents=[self._copy(self._agents[agent.name])])

    def grant(self, agent, more=1):
        with self._lock:
            known = self._agents[agent.name]
            known.credit_limit += more
            self._tell(credits=[dispatch.CreditChange(handle=known.handle, credit_limit=known.credit_limit)])

    def remove(self, agent):
        with self._lock:
            del self._agents[agent.name]
            self._tell(gone_agent_ids=[agent.name])

    def wait_items(self, count, timeout=20.0):
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.items) >= count, timeout):
                raise AssertionError(f"{len(self.items)} of {count} tasks were dispatched in {timeout} s")
            return list(self.items)

    def close(self):
        with self._lock:
            for news in self._watches:
                if news is not None:
                    news.put(None)
        self._server.stop(0).wait()
