#pragma once

#include "tests/sim/forwarding_store.h"
#include "tests/sim/gate.h"

namespace switchyard::sim {

// The store as one replica reaches it: each call may fail, lose its answer, or be the last one of the process.
class FaultyStore final : public ForwardingStore {
 public:
  // Borrows both.
  FaultyStore(TaskStore& store, Gate& gate) : ForwardingStore(store), gate_(gate) {}

  absl::Status RunBatch(absl::FunctionRef<absl::Status(task_queue::TaskBatch&)> work) override {
    if (absl::Status before = gate_.Before(); !before.ok()) return before;
    absl::Status status = store_.RunBatch(work);
    absl::Status after = gate_.After();
    return after.ok() ? status : after;
  }

 protected:
  absl::Status Before() override { return gate_.Before(); }
  absl::Status After() override { return gate_.After(); }

 private:
  Gate& gate_;
};

}  // namespace switchyard::sim
