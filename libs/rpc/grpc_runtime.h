#pragma once

namespace switchyard::rpc {

// Sets up what gRPC stands on, once a process: call it before the first server or channel. Debian's Abseil looks for
// deadlocks at every lock of gRPC's mutexes, under one lock of the whole process, which costs a tenth of its time and
// more when calls run in parallel; this turns it off. Our own locks are libs/base/mutex.h and not concerned.
void PrepareGrpc();

}  // namespace switchyard::rpc
