#include "libs/pg/group_commit.h"

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status_macros.h"
#include "libs/pg/sqlstate.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;

struct Write {
  std::int64_t id;
  std::string text;
  std::uint64_t key = 0;
};
using Writes = GroupCommit<Write, std::int64_t>;
using Future = std::future<absl::StatusOr<std::int64_t>>;

constexpr Statement kInsertGrouped{"insert", "INSERT INTO t (id, body) SELECT * FROM unnest($1, $2)"};
constexpr Statement kCountGrouped{"count", "SELECT count(*) FROM t"};
constexpr Statement kTwice{"twice", "SELECT count(*) FROM (SELECT id FROM t GROUP BY id HAVING count(*) > 1) AS again"};
constexpr Statement kSome{"some", "SELECT id FROM t ORDER BY id"};

absl::Status Insert(Session& session, absl::Span<Write> writes, absl::Span<std::int64_t> answers) {
  Int64Array ids;
  TextArray texts;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    ids.Append(writes[i].id);
    texts.Append(writes[i].text);
    answers[i] = writes[i].id * 10;
  }
  return session.Execute(kInsertGrouped, Params().Add(ids).Add(texts)).status();
}

// Holds the committer inside a flush until opened, so that a test decides what shares the next batch.
class Gate {
 public:
  void Pass() {
    MutexLock lock(mutex_);
    ++passed_;
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mutex_);
  }
  void AwaitFirst() {
    MutexLock lock(mutex_);
    while (passed_ == 0) changed_.Wait(mutex_);
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int passed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

class GroupCommitTest : public ::testing::Test, public GroupCommitObserver {
 protected:
  void UseShared() { Use(testing::SharedPostgres().NewDatabase()); }
  void Use(const ConnectOptions& connect) {
    connect_ = connect;
    connect_.failpoints = &failpoints_;
    absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect_);
    ASSERT_THAT(session, IsOk());
    ASSERT_THAT((*session)->RunScript("CREATE TABLE t (id bigint NOT NULL, body text CHECK (body <> 'bad'))"), IsOk());
  }
  void Begin(Writes::Flush flush = Insert, const GroupCommitOptions& options = {}, Writes::Key key = nullptr) {
    commit_ =
        std::make_unique<Writes>("test", options, connect_, std::move(flush), std::move(key), *rng_, this, &clock_);
    commit_->Start();
  }
  void BeginGated(const GroupCommitOptions& options = {}, Writes::Key key = nullptr) {
    Begin(
        [this](Session& session, absl::Span<Write> writes, absl::Span<std::int64_t> answers) {
          gate_.Pass();
          return Insert(session, writes, answers);
        },
        options, std::move(key));
  }
  Future Submit(Write write, absl::Time deadline = absl::InfiniteFuture()) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<std::int64_t>>>();
    Future future = promise->get_future();
    commit_->Submit(
        std::move(write), [promise](absl::StatusOr<std::int64_t> answer) { promise->set_value(answer); }, deadline);
    return future;
  }
  std::int64_t Number(const Statement& statement) {
    absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect_);
    EXPECT_THAT(session, IsOk());
    absl::StatusOr<Result> result = (*session)->Execute(statement);
    EXPECT_THAT(result, IsOk());
    return result.ok() ? (*result)[0].Int64(0) : -1;
  }
  void OnFlush(std::size_t batch, absl::Duration, const absl::Status&, std::size_t) override {
    MutexLock lock(mutex_);
    batches_.push_back(batch);
  }
  std::vector<std::size_t> batches() {
    MutexLock lock(mutex_);
    return batches_;
  }

  testing::FakeClock clock_;
  Failpoints failpoints_;
  ConnectOptions connect_;
  std::unique_ptr<Rng> rng_ = MakeSeededRng(5);
  Gate gate_;
  Mutex mutex_;
  std::vector<std::size_t> batches_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Writes> commit_;
};

TEST_F(GroupCommitTest, AnswersEachOperationAfterItsCommit) {
  UseShared();
  Begin();
  EXPECT_THAT(Submit({.id = 4}).get(), IsOkAndHolds(40));
  EXPECT_EQ(Number(kCountGrouped), 1);
}

TEST_F(GroupCommitTest, WhatArrivesDuringAFlushSharesTheNext) {
  UseShared();
  BeginGated();
  std::vector<Future> futures;
  futures.push_back(Submit({.id = 0}));
  gate_.AwaitFirst();
  for (int i = 1; i <= 20; ++i) futures.push_back(Submit({.id = i}));
  EXPECT_EQ(commit_->queued(), 20u);
  gate_.Open();
  for (int i = 0; i <= 20; ++i) EXPECT_THAT(futures[static_cast<std::size_t>(i)].get(), IsOkAndHolds(i * 10));
  EXPECT_THAT(batches(), ::testing::ElementsAre(1, 20));
  EXPECT_EQ(commit_->queued(), 0u);
}

TEST_F(GroupCommitTest, WhatNobodyWaitsForAnyMoreIsNotBegun) {
  UseShared();
  BeginGated();
  const absl::Time soon = clock_.Now() + absl::Seconds(1);
  // Begun before its deadline, so it is finished.
  Future begun = Submit({.id = 0}, soon);
  gate_.AwaitFirst();
  std::vector<Future> late, wanted;
  for (int i = 1; i <= 5; ++i) {
    late.push_back(Submit({.id = i}, soon));
    wanted.push_back(Submit({.id = 10 * i}, soon + absl::Seconds(i)));
  }
  wanted.push_back(Submit({.id = 100}));
  clock_.Advance(absl::Seconds(1));
  gate_.Open();
  EXPECT_THAT(begun.get(), IsOkAndHolds(0));
  for (Future& future : late) {
    const absl::Status status = future.get().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(status, IsError("DEADLINE_EXCEEDED"));
  }
  for (Future& future : wanted) EXPECT_THAT(future.get(), IsOk());
  EXPECT_EQ(Number(kCountGrouped), 7);
  EXPECT_THAT(batches(), ::testing::ElementsAre(1, 6));
  EXPECT_EQ(commit_->queued(), 0u);
}

TEST_F(GroupCommitTest, NothingIsBegunWhenNobodyWaits) {
  UseShared();
  BeginGated();
  Future begun = Submit({.id = 0});
  gate_.AwaitFirst();
  Future late = Submit({.id = 1}, clock_.Now());
  gate_.Open();
  EXPECT_THAT(begun.get(), IsOk());
  EXPECT_THAT(late.get(), IsError("DEADLINE_EXCEEDED"));
  EXPECT_THAT(batches(), ::testing::ElementsAre(1));
  EXPECT_THAT(Submit({.id = 2}).get(), IsOkAndHolds(20));
}

TEST_F(GroupCommitTest, KeepsBatchesWithinTheirBound) {
  UseShared();
  BeginGated({.max_batch = 8});
  std::vector<Future> futures;
  futures.push_back(Submit({.id = 0}));
  gate_.AwaitFirst();
  for (int i = 1; i <= 20; ++i) futures.push_back(Submit({.id = i}));
  gate_.Open();
  for (Future& future : futures) EXPECT_THAT(future.get(), IsOk());
  EXPECT_THAT(batches(), ::testing::ElementsAre(1, 8, 8, 4));
}

TEST_F(GroupCommitTest, RefusesWhatExceedsTheQueue) {
  UseShared();
  BeginGated({.max_queued = 2});
  Future first = Submit({.id = 0});
  gate_.AwaitFirst();
  Future second = Submit({.id = 1});
  Future third = Submit({.id = 2});
  const absl::StatusOr<std::int64_t> refused = Submit({.id = 3}).get();
  EXPECT_THAT(refused, IsError("QUEUE_FULL"));
  EXPECT_GT(DetailsOf(refused.status()).retry_after, absl::ZeroDuration());
  gate_.Open();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_THAT(third.get(), IsOk());
}

TEST_F(GroupCommitTest, OperationsOfOneKeyKeepTheirOrderAndNeverShareABatch) {
  UseShared();
  std::map<std::uint64_t, std::vector<std::int64_t>> order;
  Begin(
      [&](Session& session, absl::Span<Write> writes, absl::Span<std::int64_t> answers) {
        gate_.Pass();
        std::set<std::uint64_t> keys;
        for (const Write& write : writes) {
          EXPECT_TRUE(keys.insert(write.key).second);
          order[write.key].push_back(write.id);
        }
        return Insert(session, writes, answers);
      },
      {.max_batch = 4}, [](const Write& write) { return write.key; });
  std::vector<Future> futures;
  futures.push_back(Submit({.id = 0, .key = 1}));
  gate_.AwaitFirst();
  for (int i = 1; i < 60; ++i) futures.push_back(Submit({.id = i, .key = 1 + static_cast<std::uint64_t>(i * i % 7)}));
  gate_.Open();
  for (Future& future : futures) EXPECT_THAT(future.get(), IsOk());
  commit_->Stop();
  for (const auto& [key, ids] : order) EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end())) << key;
}

TEST_F(GroupCommitTest, OnlyBadOperationsOfABatchFail) {
  UseShared();
  BeginGated();
  std::vector<Future> futures;
  futures.push_back(Submit({.id = 0}));
  gate_.AwaitFirst();
  for (int i = 1; i < 40; ++i) {
    std::string text = i == 7 || i == 31 ? "bad" : "good";
    if (i == 20) text = std::string("\0", 1);
    if (i == 21) text = "\xff";
    futures.push_back(Submit({.id = i, .text = text}));
  }
  gate_.Open();
  for (int i = 0; i < 40; ++i) {
    const absl::StatusOr<std::int64_t> answer = futures[static_cast<std::size_t>(i)].get();
    if (i == 7 || i == 31) {
      EXPECT_THAT(answer, IsError("CONSTRAINT_VIOLATED")) << i;
    } else if (i == 20 || i == 21) {
      EXPECT_THAT(answer, IsError("INVALID_DATA")) << i;
    } else {
      EXPECT_THAT(answer, IsOkAndHolds(i * 10)) << i;
    }
  }
  EXPECT_EQ(Number(kCountGrouped), 36);
}

TEST_F(GroupCommitTest, RunsABatchAgainAfterASerializationFailure) {
  UseShared();
  std::atomic<int> runs{0};
  Begin([&](Session& session, absl::Span<Write> writes, absl::Span<std::int64_t> answers) {
    const absl::Status status = Insert(session, writes, answers);
    return ++runs == 1 ? FromSqlState("40001", "could not serialize") : status;
  });
  EXPECT_THAT(Submit({.id = 1}).get(), IsOkAndHolds(10));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(Number(kCountGrouped), 1);
}

TEST_F(GroupCommitTest, SurvivesARealDeadlock) {
  UseShared();
  constexpr Statement kLock{"lock", "SELECT pg_advisory_xact_lock($1)"};
  SY_ASSERT_OK_AND_ASSIGN(const auto rival, Session::Connect(connect_));
  ASSERT_THAT(rival->Begin(), IsOk());
  ASSERT_THAT(rival->Execute(kLock, Params().Add(std::int64_t{1})), IsOk());
  std::atomic<int> runs{0};
  Begin([&](Session& session, absl::Span<Write> writes, absl::Span<std::int64_t> answers) -> absl::Status {
    if (++runs > 1) return Insert(session, writes, answers);
    SY_RETURN_IF_ERROR(session.Execute(kLock, Params().Add(std::int64_t{2})).status());
    gate_.Pass();
    return session.Execute(kLock, Params().Add(std::int64_t{1})).status();
  });
  Future future = Submit({.id = 1});
  gate_.AwaitFirst();
  gate_.Open();
  // One of the two is chosen as the victim; as the rival waits last or first, either may be.
  const absl::Status rival_got = rival->Execute(kLock, Params().Add(std::int64_t{2})).status();
  ASSERT_THAT(rival->Rollback(), IsOk());
  EXPECT_THAT(future.get(), IsOk());
  EXPECT_TRUE(rival_got.ok() ? runs == 2 : IsRetryTransaction(rival_got)) << rival_got;
}

TEST_F(GroupCommitTest, AnswersALandedCommitWhoseAnswerWasLost) {
  UseShared();
  Begin();
  failpoints_.Set(Failpoint::kCommitAnswerLost, {.times = 3});
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Submit({.id = i}).get(), IsOkAndHolds(i * 10));
  EXPECT_EQ(Number(kCountGrouped), 5);
  EXPECT_EQ(Number({"distinct", "SELECT count(DISTINCT id) FROM t"}), 5);
}

TEST_F(GroupCommitTest, AppliesOnceWhatWasCutOffBeforeItsCommit) {
  UseShared();
  Begin();
  failpoints_.Set(Failpoint::kBeforeCommitDisconnect, {.times = 1});
  EXPECT_THAT(Submit({.id = 1}).get(), IsOkAndHolds(10));
  EXPECT_EQ(Number(kCountGrouped), 1);
}

TEST_F(GroupCommitTest, StopFinishesWhatIsQueuedAndRefusesTheRest) {
  UseShared();
  BeginGated();
  std::vector<Future> futures;
  futures.push_back(Submit({.id = 0}));
  gate_.AwaitFirst();
  for (int i = 1; i <= 5; ++i) futures.push_back(Submit({.id = i}));
  std::thread stopper([&] { commit_->Stop(); });
  gate_.Open();
  stopper.join();
  for (Future& future : futures) EXPECT_THAT(future.get(), IsOk());
  EXPECT_THAT(Submit({.id = 9}).get(), IsError("STOPPING"));
  EXPECT_EQ(Number(kCountGrouped), 6);
}

TEST_F(GroupCommitTest, StoppedBeforeItStartedAnswersWhatWasSubmitted) {
  UseShared();
  commit_ = std::make_unique<Writes>("test", GroupCommitOptions(), connect_, Insert, nullptr, *rng_);
  Future future = Submit({.id = 1});
  commit_->Stop();
  EXPECT_THAT(future.get(), IsError("STOPPING"));
}

TEST_F(GroupCommitTest, EndsABatchAtItsTimeout) {
  UseShared();
  GroupCommitOptions options;
  options.transaction.timeout = absl::Milliseconds(300);
  std::atomic<int> runs{0};
  Begin(
      [&](Session& session, absl::Span<Write> writes, absl::Span<std::int64_t> answers) {
        return ++runs == 1 ? session.Execute({"sleep", "SELECT pg_sleep(30)"}).status()
                           : Insert(session, writes, answers);
      },
      options);
  const absl::StatusOr<std::int64_t> late = Submit({.id = 1}).get();
  // The server's time-out and the batch's own are the same; either may notice first.
  EXPECT_TRUE(ReasonOf(late.status()) == kStatementTimeout || ReasonOf(late.status()) == kDatabaseUnavailable)
      << late.status();
  EXPECT_THAT(Submit({.id = 2}).get(), IsOkAndHolds(20));
}

TEST_F(GroupCommitTest, SaysAtOnceThatTheDatabaseIsAway) {
  connect_ = testing::SharedPostgres().Connect("postgres");
  connect_.host = "/tmp/no-such-folder";
  Begin();
  EXPECT_THAT(Submit({.id = 1}).get(), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(Submit({.id = 2}).get(), IsError("DATABASE_UNAVAILABLE"));
}

// What clients were told is compared with what the database holds: acknowledged means present, refused with a reason
// other than COMMIT_UNKNOWN means absent, and nothing is present twice.
class RestartTest : public GroupCommitTest {
 protected:
  void Run(testing::ThrowawayPostgres& postgres, int restarts) {
    Begin();
    std::atomic<bool> stop{false};
    std::atomic<std::int64_t> next{0};
    Mutex mutex;
    std::set<std::int64_t> acknowledged, absent;
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back([&] {
        while (!stop) {
          const std::int64_t id = next++;
          const absl::StatusOr<std::int64_t> answer = Submit({.id = id}).get();
          MutexLock lock(mutex);
          if (answer.ok()) {
            acknowledged.insert(id);
          } else if (ReasonOf(answer.status()) != kCommitUnknown) {
            EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
            absent.insert(id);
          }
        }
      });
    }
    const auto progress = [&](std::size_t more) {
      const auto count = [&] {
        MutexLock lock(mutex);
        return acknowledged.size();
      };
      const std::size_t until = count() + more;
      while (count() < until) std::this_thread::yield();
    };
    for (int i = 0; i < restarts; ++i) {
      progress(200);
      postgres.StopImmediately();
      ASSERT_THAT(postgres.Start(), IsOk());
    }
    progress(200);
    stop = true;
    for (std::thread& client : clients) client.join();
    commit_->Stop();
    SY_ASSERT_OK_AND_ASSIGN(const auto session, Session::Connect(connect_));
    SY_ASSERT_OK_AND_ASSIGN(const Result rows, session->Execute(kSome));
    std::set<std::int64_t> present;
    for (const Row row : rows) EXPECT_TRUE(present.insert(row.Int64(0)).second) << "twice: " << row.Int64(0);
    for (const std::int64_t id : acknowledged) EXPECT_TRUE(present.contains(id)) << "lost: " << id;
    for (const std::int64_t id : absent) EXPECT_FALSE(present.contains(id)) << "refused, yet there: " << id;
    EXPECT_EQ(Number(kTwice), 0);
  }
};

TEST_F(RestartTest, LosesNothingAcknowledgedWhenTheServerIsStoppedAtOnceUnderLoad) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, testing::ThrowawayPostgres::Create({}));
  Use(postgres->NewDatabase());
  Run(*postgres, 3);
}

TEST_F(RestartTest, LosesNothingWhenAnswersOfCommitsAreLostToo) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, testing::ThrowawayPostgres::Create({}));
  Use(postgres->NewDatabase());
  ASSERT_THAT(failpoints_.Configure("commit_answer_lost=0.1,before_commit_disconnect=0.1"), IsOk());
  Run(*postgres, 1);
}

}  // namespace
}  // namespace switchyard::pg
