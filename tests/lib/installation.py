"""The services as processes of their own, two of each, and executors that reach the hubs through cut proxies."""

import os
import threading

import stubs
from client import Connection, retried
from cut_proxy import CutProxy
from fleet import YardAgent
from stack import Process, Stack, merged
from stream_agent import enroll
from waiting import wait_until

# Short, so that what is lost comes back within seconds; heartbeats stay coarse enough for a loaded machine.
QUEUE = {"time": {"session_lease": "4s", "shard_lease": "2s", "sweep_interval": "100ms", "accept": "5s"},
         "retry": {"max_losses": 20, "max_releases": 40, "loss_cooldown": ["0s", "200ms"]}}
HUB = {"time": {"heartbeat": "1s", "renew": "500ms", "hello": "5s", "ledger_timeout": "4s", "reconnect_spread": "500ms"},
       "penalty": {"first": "500ms", "max": "2s"}, "breaker": {"failures": 20, "open": "2s"}}
SCHEDULER = {"lease_interval": "300ms", "sweep_interval": "5s", "call_timeout": "4s"}
HEARTBEAT, SESSION_LEASE = 1.0, 4.0
# That of gRPC connections between executors and hubs, both ends.
KEEPALIVE, KEEPALIVE_TIMEOUT = 20.0, 10.0
# What tasks run: says what happens before it happens, in a file that only tests read.
MARK = """#!/bin/sh
# mark REQUEST SECONDS STATUS
read -r nonce < /proc/sys/kernel/random/uuid
echo "begin $1 $nonce $AGENT $(date +%s.%N)" >> "$WORLD"
trap 'echo "stopped $1 $nonce $AGENT $(date +%s.%N)" >> "$WORLD"; exit 143' TERM
[ "$2" = 0 ] || sleep "$2"
echo "end $1 $nonce $AGENT $(date +%s.%N) $3" >> "$WORLD"
echo "$nonce"
exit "$3"
"""


class ProxiedAgent(YardAgent):
    """An executor whose every way to every hub is a CutProxy."""

    def __init__(self, installation, name, config=None, at=None):
        self.proxies = [CutProxy(hub.address, seed=f"{name}-{hub.name}") for hub in installation.hubs]
        if at is not None:
            self.proxies = [self.proxies[at]]
        world = os.path.join(installation.world, f"{name}.txt")
        with open(world, "w", encoding="utf-8"):
            os.chmod(world, 0o666)
        rule = {"name": "mark", "program": installation.mark, "arguments": ["re:[a-z0-9-]+", "re:[0-9.]+", "int:0..9"],
                "read_only": [os.path.dirname(installation.mark)], "writable": [installation.world], "network": True,
                "set_environment": {"AGENT": name, "WORLD": world}}
        addresses = [proxy.address for proxy in self.proxies]
        super().__init__(installation, name, merged({"hub": {"addresses": addresses}, "slots": 3}, config or {}),
                         [rule, {"name": "seq", "program": "/usr/bin/seq", "rest": ["int:0..99999999"]}])
        self.agent_id, self.token = None, None

    def enroll(self, text=None):
        self.agent_id, self.token = enroll(self.fleet.hubs[0].address, self.fleet.tokens["admin"], self.name)
        path = os.path.join(self.data, "token")
        with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(self.token)

    def pause(self):
        self.process.send_signal(19)

    def resume(self):
        self.process.send_signal(18)

    def each(self, what, *arguments, **fields):
        """The same on all its proxies."""
        for proxy in self.proxies:
            getattr(proxy, what)(*arguments, **fields)

    def heal(self):
        self.each("heal")


class Installation(Stack):
    def __init__(self, settings=None, hub=None, scheduler=None, hubs=2, schedulers=2, replicas=2, **options):
        self.agents, self.hubs, self.schedulers = {}, [], []
        super().__init__(settings=merged(QUEUE, settings or {}), replicas=replicas, identity={"cache_ttl": "1s"}, **options)
        # The user that tasks run as passes through to its own folders.
        os.chmod(self.folder, 0o711)
        self.world = os.path.join(self.folder, "world")
        os.mkdir(self.world)
        os.chmod(self.world, 0o777)
        tools = os.path.join(self.folder, "tools")
        os.mkdir(tools)
        self.mark = os.path.join(tools, "mark")
        with open(self.mark, "w", encoding="utf-8") as file:
            file.write(MARK)
        os.chmod(self.mark, 0o755)
        try:
            for number in range(hubs):
                self._add(self.hubs, "switchyard-agent-hub", f"hub-{number}", number, {
                    "database": self.database(), "router": {"address": ""}, "model_registry": {"address": ""},
                    "agent_hub": merged(HUB, {"hub_id": f"hub-{number}", **(hub or {})})})
            for number in range(schedulers):
                self._add(self.schedulers, "switchyard-scheduler", f"scheduler-{number}", number, {
                    "hub_addresses": [process.address for process in self.hubs], "router": {"address": ""},
                    "scheduler": merged(SCHEDULER, scheduler or {})})
        except BaseException:
            self.close()
            raise

    def _add(self, kind, binary, name, number, config):
        token = os.path.join(self.folder, "service.token")
        process = Process(self, binary, name, {
            "server": self.server_section({}),
            "auth": {"identity_address": self.identity.address, "token": f"file:{token}"},
            "task_queue": {"address": self.ledger_address(name, self.queues[number % len(self.queues)])}, **config})
        kind.append(process)
        process.start()

    def ledger_address(self, name, queue):
        """Where the process of that name finds this task queue."""
        return queue.address

    def add_agents(self, *names, configs=None, **options):
        """Starts them and waits until they may be given work."""
        made = [ProxiedAgent(self, name, (configs or {}).get(name), **options) for name in names]
        for agent in made:
            self.agents[agent.name] = agent
            agent.enroll()
            agent.start(connected=False)
        self.await_available(*names)
        return made

    def await_available(self, *names, timeout=60.0):
        for name in names or self.agents:
            wait_until(lambda name=name: self.show(name).available, f"{name} to be available", timeout, every=0.05)

    def hub_admin(self, number=0, who="admin"):
        if not hasattr(self, "_hub_admins"):
            self._hub_admins = {}
        if (number, who) not in self._hub_admins:
            self._hub_admins[number, who] = self._connected(Connection(self.hubs[number].address, self.tokens[who]))
        return self._hub_admins[number, who].agents

    def show(self, name, number=0):
        return retried(lambda: self.hub_admin(number).GetAgent(agent=name)).agent

    def transitions(self, name):
        """Oldest first."""
        return list(reversed(retried(lambda: self.hub_admin().GetAgent(agent=name)).transitions))

    def hub_of(self, name):
        """The process that holds its stream."""
        told = wait_until(lambda: self.show(name).hub_id, f"{name} to have a hub")
        return next(hub for hub in self.hubs if hub.name == told)

    def services(self):
        """Those that may be killed one at a time; identity is no part of the row, but any one process is."""
        return [*self.queues, *self.hubs, *self.schedulers, self.identity]

    def processes(self):
        return [*self.schedulers, *self.hubs, *super().processes()]

    def tails(self):
        return super().tails() + "".join(f"--- agent {agent.name}\n{agent.tail()}" for agent in self.agents.values())

    def world_lines(self):
        for name in os.listdir(self.world):
            with open(os.path.join(self.world, name), encoding="utf-8") as file:
                yield from file

    def close(self):
        faults = []
        # All at once: each may have work to end.
        stopping = [threading.Thread(target=self._stop_agent, args=(agent, faults)) for agent in self.agents.values()]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        for process in self.services() if self.identity is not None else ():
            if process is not None and process.process is not None and process.process.poll() is None:
                process.resume()
        faults += super().close()
        for agent in self.agents.values():
            for proxy in agent.proxies:
                proxy.close()
        return faults

    @staticmethod
    def _stop_agent(agent, faults):
        agent.heal()
        code = agent.stop()
        if code != 0:
            faults.append(f"agent {agent.name} ended with {code}:\n{agent.tail()}")


def state_name(agent):
    return stubs.agent_admin.AgentState.Name(agent.state)[len("AGENT_STATE_"):]
