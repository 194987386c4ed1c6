"""An installation in which the network between hubs and task queues and the wall clock of every process can be disturbed."""

from cut_proxy import CutProxy
from installation import Installation
from shifted_clock import ShiftedClocks


class TroubledInstallation(Installation):
    """`ways`: by the name of a hub, the CutProxy through which it reaches its task queue. `clocks`: by the name of a service
    or executor, its wall clock; Postgres has the host's."""

    def __init__(self, **options):
        self.ways = {}
        self.clocks = ShiftedClocks()
        super().__init__(**options)

    def ledger_address(self, name, queue):
        if not name.startswith("hub-"):
            return queue.address
        self.ways[name] = CutProxy(queue.address, seed=f"ledger-{name}")
        return self.ways[name].address

    def environment_of(self, name):
        return self.clocks.environment(name)

    def epochs(self, live=False):
        """Of the last session of each agent, or of those whose lease runs."""
        running = " WHERE expire_time > now()" if live else ""
        rows = self.postgres.sql(f"SELECT agent, epoch FROM task_queue.session{running}")
        return {agent: int(epoch) for agent, epoch in rows}

    def close(self):
        for way in self.ways.values():
            way.heal()
        faults = super().close()
        for way in self.ways.values():
            way.close()
        self.clocks.close()
        return faults
