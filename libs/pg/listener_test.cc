#include "libs/pg/listener.h"

#include <deque>
#include <string>

#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsOk;

constexpr Statement kNotify{"notify", "SELECT pg_notify($1, $2)"};

// What the listener called, in order: "resync" or "channel:payload".
class Heard {
 public:
  void Add(std::string what) {
    MutexLock lock(mutex_);
    heard_.push_back(std::move(what));
    changed_.NotifyAll();
  }
  std::string Next() {
    MutexLock lock(mutex_);
    while (heard_.empty()) {
      if (!changed_.WaitFor(mutex_, absl::Seconds(30))) return "nothing";
    }
    std::string first = std::move(heard_.front());
    heard_.pop_front();
    return first;
  }
  Listener::Callbacks Callbacks() {
    return {.on_notify = [this](std::string_view channel,
                                std::string_view payload) { Add(std::string(channel) + ":" + std::string(payload)); },
            .on_resync = [this] { Add("resync"); }};
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> heard_ ABSL_GUARDED_BY(mutex_);
};

void Notify(const ConnectOptions& connect, const char* channel, const char* payload) {
  absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect);
  ASSERT_THAT(session, IsOk());
  ASSERT_THAT((*session)->Execute(kNotify, Params().Add(channel).Add(payload)), IsOk());
}

TEST(ListenerTest, ResyncsFirstThenHearsItsChannels) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  const ConnectOptions connect = testing::SharedPostgres().NewDatabase();
  Heard heard;
  Listener listener(connect, {"ready", "events"}, heard.Callbacks(), *rng);
  listener.Start();
  EXPECT_EQ(heard.Next(), "resync");
  EXPECT_TRUE(listener.connected());
  Notify(connect, "elsewhere", "no");
  Notify(connect, "ready", "one");
  Notify(connect, "events", "");
  EXPECT_EQ(heard.Next(), "ready:one");
  EXPECT_EQ(heard.Next(), "events:");
  listener.Stop();
  EXPECT_FALSE(listener.connected());
}

TEST(ListenerTest, ResyncsAfterTheServerRestarted) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, testing::ThrowawayPostgres::Create({}));
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  const ConnectOptions connect = postgres->NewDatabase();
  Heard heard;
  Listener listener(connect, {"ready"}, heard.Callbacks(), *rng);
  listener.Start();
  EXPECT_EQ(heard.Next(), "resync");
  ASSERT_THAT(postgres->Restart(), IsOk());
  EXPECT_EQ(heard.Next(), "resync");
  Notify(connect, "ready", "again");
  EXPECT_EQ(heard.Next(), "ready:again");
}

TEST(ListenerTest, StopsWhileTheDatabaseIsAway) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  ConnectOptions connect = testing::SharedPostgres().Connect("postgres");
  connect.host = "/tmp/no-such-folder";
  Heard heard;
  Listener listener(connect, {"ready"}, heard.Callbacks(), *rng);
  listener.Start();
  listener.Stop();
}

}  // namespace
}  // namespace switchyard::pg
