"""The contracts as Python modules, generated anew for each run into a folder that goes with it."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTO = os.path.join(ROOT, "proto")
CONTRACTS = (
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "grpc/health/v1/health.proto",
    "switchyard/options/v1/options.proto",
    "switchyard/identity/v1/identity_service.proto",
    "switchyard/task_queue/v1/spec.proto",
    "switchyard/task_queue/v1/task.proto",
    "switchyard/task_queue/v1/task_queue_service.proto",
    "switchyard/task_queue/v1/task_ledger_service.proto",
    "switchyard/agent/v1/agent_admin.proto",
    "switchyard/agent/v1/agent_hub.proto",
    "switchyard/agent/v1/agent_dispatch.proto",
    "switchyard/scheduler/v1/scheduler_admin.proto",
    "switchyard/model_registry/v1/model_registry.proto",
    "switchyard/model_registry/v1/model_registry_service.proto",
    "switchyard/router/v1/routing.proto",
    "switchyard/router/v1/router_service.proto",
    "switchyard/verification/v1/checks.proto",
    "switchyard/verification/v1/verification_service.proto",
)


def generate():
    folder = tempfile.mkdtemp(prefix="systubs.")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["protoc", "-I", PROTO, f"--python_out={folder}", *CONTRACTS], check=True)
    sys.path.insert(0, folder)
    # Our google/rpc and grpc/health lie beside the installed google and grpc packages, not within them.
    import google
    import grpc
    google.__path__.append(os.path.join(folder, "google"))
    grpc.__path__.append(os.path.join(folder, "grpc"))


generate()

from google.rpc import error_details_pb2, status_pb2  # noqa: E402,F401
from grpc.health.v1 import health_pb2  # noqa: E402,F401
from switchyard.agent.v1 import agent_admin_pb2 as agent_admin  # noqa: E402,F401
from switchyard.agent.v1 import agent_dispatch_pb2 as agent_dispatch  # noqa: E402,F401
from switchyard.agent.v1 import agent_hub_pb2 as agent_hub  # noqa: E402,F401
from switchyard.identity.v1 import identity_service_pb2 as identity  # noqa: E402,F401
from switchyard.model_registry.v1 import model_registry_pb2 as models  # noqa: E402,F401
from switchyard.model_registry.v1 import model_registry_service_pb2 as model_registry  # noqa: E402,F401
from switchyard.options.v1 import options_pb2 as options  # noqa: E402,F401
from switchyard.router.v1 import router_service_pb2 as router  # noqa: E402,F401
from switchyard.router.v1 import routing_pb2 as routing  # noqa: E402,F401
from switchyard.scheduler.v1 import scheduler_admin_pb2 as scheduler_admin  # noqa: E402,F401
from switchyard.task_queue.v1 import spec_pb2 as spec  # noqa: E402,F401
from switchyard.task_queue.v1 import task_ledger_service_pb2 as ledger  # noqa: E402,F401
from switchyard.task_queue.v1 import task_pb2 as task  # noqa: E402,F401
from switchyard.task_queue.v1 import task_queue_service_pb2 as queue  # noqa: E402,F401
from switchyard.verification.v1 import checks_pb2 as checks  # noqa: E402,F401
from switchyard.verification.v1 import verification_service_pb2 as verification  # noqa: E402,F401
