#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "services/executor/backend.h"

namespace switchyard::executor::loop {

// What a run says; the test waits for it.
class LoopSink final : public BackendSink {
 public:
  void OnPhase(WorkPhase phase) override {
    Change([&] { phases_.push_back(phase); });
  }
  void OnLog(LogChunk chunk) override {
    Change([&] {
      in_order_ = in_order_ && chunk.sequence == chunks_++;
      text_ += chunk.text;
    });
  }
  void OnProgress(std::string message) override {
    Change([&] { progress_.push_back(std::move(message)); });
  }
  void OnRouteQuestion(RouteQuestion question) override {
    Change([&] { questions_.push_back(std::move(question)); });
  }
  void OnStep(StepNews news) override {
    Change([&] { steps_.push_back(std::move(news)); });
  }
  void OnConfirmationWanted() override {
    Change([&] { ++confirmations_; });
  }
  void OnFinished(Evidence evidence) override {
    Change([&] {
      evidence_ = std::move(evidence);
      ++ends_;
    });
  }

  Evidence Wait() {
    Await([this] { return ends_ > 0; });
    MutexLock lock(mutex_);
    EXPECT_EQ(ends_, 1);
    EXPECT_TRUE(in_order_);
    return evidence_;
  }
  // Or the end, if that comes first; false then.
  bool WaitForPhase(WorkPhase phase) {
    return AwaitOrEnd([&] { return std::find(phases_.begin(), phases_.end(), phase) != phases_.end(); });
  }
  bool WaitForText(const std::string& text) {
    return AwaitOrEnd([&] { return text_.find(text) != std::string::npos; });
  }
  bool WaitForQuestion() {
    return AwaitOrEnd([&] { return !questions_.empty(); });
  }
  bool WaitForConfirmation(int count = 1) {
    return AwaitOrEnd([&] { return confirmations_ >= count; });
  }
  std::string text() {
    MutexLock lock(mutex_);
    return text_;
  }
  std::vector<RouteQuestion> questions() {
    MutexLock lock(mutex_);
    return questions_;
  }
  std::vector<StepNews> steps() {
    MutexLock lock(mutex_);
    return steps_;
  }
  std::vector<WorkPhase> phases() {
    MutexLock lock(mutex_);
    return phases_;
  }

 private:
  void Change(const std::function<void()>& change) {
    MutexLock lock(mutex_);
    change();
    changed_.NotifyAll();
  }
  void Await(const std::function<bool()>& there) {
    MutexLock lock(mutex_);
    while (!there()) changed_.Wait(mutex_);
  }
  bool AwaitOrEnd(const std::function<bool()>& there) {
    bool met = false;
    Await([&] { return (met = there()) || ends_ > 0; });
    return met;
  }

  Mutex mutex_;
  CondVar changed_;
  std::vector<WorkPhase> phases_;
  std::vector<std::string> progress_;
  std::vector<RouteQuestion> questions_;
  std::vector<StepNews> steps_;
  int confirmations_ = 0;
  std::string text_;
  std::uint64_t chunks_ = 0;
  bool in_order_ = true;
  int ends_ = 0;
  Evidence evidence_;
};

}  // namespace switchyard::executor::loop
