// Sessions, shards, pauses and events.
#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/task_store_contract.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using SessionRefs = std::vector<std::pair<std::string, std::int64_t>>;

std::vector<std::string> AgentsOf(const std::vector<Session>& sessions) {
  std::vector<std::string> agents;
  for (const Session& session : sessions) agents.push_back(session.agent);
  return agents;
}
std::vector<int> ShardsOf(const std::vector<ShardLease>& leases) {
  std::vector<int> shards;
  for (const ShardLease& lease : leases) shards.push_back(lease.shard);
  std::sort(shards.begin(), shards.end());
  return shards;
}
std::int64_t EpochOf(const std::vector<ShardLease>& leases, int shard) {
  for (const ShardLease& lease : leases) {
    if (lease.shard == shard) return lease.epoch;
  }
  return -1;
}

TEST_P(TaskStoreContract, RaisesTheEpochWithEverySession) {
  SY_ASSERT_OK_AND_ASSIGN(const Session first, store().OpenSession("a", "hub-1", now() + absl::Seconds(30)));
  SY_ASSERT_OK_AND_ASSIGN(const Session second, store().OpenSession("a", "hub-2", now() + absl::Seconds(30)));
  EXPECT_EQ(first.agent, "a");
  EXPECT_EQ(first.hub, "hub-1");
  EXPECT_EQ(first.expire_time, now() + absl::Seconds(30));
  EXPECT_GT(second.epoch, first.epoch);
  SY_EXPECT_OK(store().CloseSession("a", second.epoch));
  SY_ASSERT_OK_AND_ASSIGN(const Session third, store().OpenSession("a", "hub-1", now() + absl::Seconds(30)));
  EXPECT_GT(third.epoch, second.epoch) << "also after a session was closed";
}

TEST_P(TaskStoreContract, AnOlderConnectionTakesNoSessionOver) {
  const absl::Time expire = now() + absl::Seconds(30);
  SY_ASSERT_OK_AND_ASSIGN(const Session first, store().OpenSession("a", "hub-1", expire, 3));
  SY_ASSERT_OK_AND_ASSIGN(const Session second, store().OpenSession("a", "hub-2", expire, 5));
  const absl::StatusOr<Session> late = store().OpenSession("a", "hub-1", expire + absl::Hours(1), 4);
  EXPECT_THAT(late, IsError("STALE_CONNECTION"));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(DetailsOf(late.status()).metadata, Contains(Pair("connection", "5")));
  EXPECT_THAT(store().RenewSessions(SessionRefs{{"a", first.epoch}, {"a", second.epoch}}, expire),
              IsOkAndHolds(ElementsAre("a")));
  SY_ASSERT_OK_AND_ASSIGN(const auto expired, store().ExpiredSessions(expire, 10));
  ASSERT_THAT(expired, SizeIs(1));
  EXPECT_EQ(expired[0].hub, "hub-2");
  EXPECT_EQ(expired[0].epoch, second.epoch);

  SY_EXPECT_OK(store().CloseSession("a", second.epoch));
  EXPECT_THAT(store().OpenSession("a", "hub-1", expire, 4), IsError("STALE_CONNECTION")) << "also after its end";
  SY_EXPECT_OK(store().OpenSession("b", "hub-1", expire, 1)) << "each agent counts for itself";
}

TEST_P(TaskStoreContract, WhoSaysNoConnectionIsNotCompared) {
  const absl::Time expire = now() + absl::Seconds(30);
  SY_EXPECT_OK(store().OpenSession("a", "hub", expire, 5));
  SY_ASSERT_OK_AND_ASSIGN(const Session silent, store().OpenSession("a", "hub", expire));
  EXPECT_THAT(store().OpenSession("a", "hub", expire, 4), IsError("STALE_CONNECTION")) << "what was said stays";
  // As when the answer to the same connection was lost.
  SY_ASSERT_OK_AND_ASSIGN(const Session again, store().OpenSession("a", "hub", expire, 5));
  EXPECT_GT(again.epoch, silent.epoch);
}

TEST_P(TaskStoreContract, RenewsOnlySessionsThatAreCurrent) {
  SY_ASSERT_OK_AND_ASSIGN(const Session old, store().OpenSession("a", "hub", now() + absl::Seconds(30)));
  SY_ASSERT_OK_AND_ASSIGN(const Session current, store().OpenSession("a", "hub", now() + absl::Seconds(30)));
  SY_ASSERT_OK_AND_ASSIGN(const Session closed, store().OpenSession("b", "hub", now() + absl::Seconds(30)));
  SY_EXPECT_OK(store().CloseSession("b", closed.epoch));
  const absl::Time later = now() + absl::Seconds(60);
  EXPECT_THAT(store().RenewSessions(SessionRefs{{"a", old.epoch}, {"b", closed.epoch}, {"c", 1}}, later),
              IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store().RenewSessions(SessionRefs{{"c", 1}, {"a", current.epoch}}, later),
              IsOkAndHolds(ElementsAre("a")));
  SY_ASSERT_OK_AND_ASSIGN(const auto early, store().ExpiredSessions(now() + absl::Seconds(59), 10));
  EXPECT_THAT(early, IsEmpty());
  SY_ASSERT_OK_AND_ASSIGN(const auto expired, store().ExpiredSessions(later, 10));
  EXPECT_THAT(AgentsOf(expired), ElementsAre("a"));
}

TEST_P(TaskStoreContract, NamesExpiredSessionsUntilTheyAreClosed) {
  SY_ASSERT_OK_AND_ASSIGN(const Session a, store().OpenSession("a", "hub-1", now() + absl::Seconds(30)));
  SY_ASSERT_OK_AND_ASSIGN(const Session b, store().OpenSession("b", "hub-1", now() + absl::Seconds(10)));
  SY_ASSERT_OK_AND_ASSIGN(const Session c, store().OpenSession("c", "hub-1", now() + absl::Minutes(10)));
  const absl::Time later = now() + absl::Minutes(1);
  for (int repeat = 0; repeat < 2; ++repeat) {
    SY_ASSERT_OK_AND_ASSIGN(const auto expired, store().ExpiredSessions(later, 10));
    EXPECT_THAT(AgentsOf(expired), ElementsAre("b", "a")) << "longest expired first";
    EXPECT_EQ(expired[0].epoch, b.epoch);
    EXPECT_EQ(expired[0].hub, "hub-1");
    EXPECT_EQ(expired[0].expire_time, b.expire_time);
  }
  SY_ASSERT_OK_AND_ASSIGN(const auto one, store().ExpiredSessions(later, 1));
  EXPECT_THAT(AgentsOf(one), ElementsAre("b"));
  SY_EXPECT_OK(store().CloseSession("b", b.epoch));
  SY_EXPECT_OK(store().CloseSession("a", a.epoch - 1));
  SY_ASSERT_OK_AND_ASSIGN(const auto rest, store().ExpiredSessions(later, 10));
  EXPECT_THAT(AgentsOf(rest), ElementsAre("a")) << "closing another epoch closes nothing";
}

TEST_P(TaskStoreContract, RenewsASessionThatExpiredButWasNotClosed) {
  SY_ASSERT_OK_AND_ASSIGN(const Session a, store().OpenSession("a", "hub", now() + absl::Seconds(30)));
  Advance(absl::Minutes(5));
  EXPECT_THAT(store().RenewSessions(SessionRefs{{"a", a.epoch}}, now() + absl::Seconds(30)),
              IsOkAndHolds(ElementsAre("a")));
  SY_ASSERT_OK_AND_ASSIGN(const auto expired, store().ExpiredSessions(now(), 10));
  EXPECT_THAT(expired, IsEmpty());
}

TEST_P(TaskStoreContract, RefusesAChangeUnderAStaleSession) {
  const TaskId id = Submit(1);
  SY_ASSERT_OK_AND_ASSIGN(const Session old, store().OpenSession("a", "hub", now() + absl::Seconds(30)));
  SY_ASSERT_OK_AND_ASSIGN(const Session current, store().OpenSession("a", "hub", now() + absl::Seconds(30)));
  const TaskRecord before = Read(id);
  const Assign assign{.seen = Generation(0), .agent = "a"};
  EXPECT_EQ(Do(id, assign, {.session_epoch = old.epoch, .agent = "a"}), MoveOutcome::kStaleSession);
  EXPECT_EQ(Do(id, assign, {.session_epoch = current.epoch, .agent = "stranger"}), MoveOutcome::kStaleSession);
  EXPECT_EQ(Read(id), before);
  EXPECT_EQ(Do(id, assign, {.session_epoch = current.epoch, .agent = "a"}), MoveOutcome::kApplied);
  SY_EXPECT_OK(store().CloseSession("a", current.epoch));
  EXPECT_EQ(Do(id, Cancel{}, {.session_epoch = current.epoch, .agent = "a"}), MoveOutcome::kStaleSession);
  EXPECT_EQ(Do(id, Cancel{}), MoveOutcome::kApplied);
}

TEST_P(TaskStoreContract, LeasesShardsUpToTheNumberWanted) {
  const absl::Time expire = now() + absl::Seconds(4);
  SY_ASSERT_OK_AND_ASSIGN(const auto ten, store().AcquireShards("one", 10, now(), expire));
  EXPECT_THAT(ten, SizeIs(10));
  SY_ASSERT_OK_AND_ASSIGN(const auto rest, store().AcquireShards("two", kShardCount, now(), expire));
  EXPECT_THAT(rest, SizeIs(kShardCount - 10));
  std::set<int> all;
  for (const int shard : ShardsOf(ten)) all.insert(shard);
  for (const int shard : ShardsOf(rest)) all.insert(shard);
  EXPECT_THAT(all, SizeIs(kShardCount)) << "no shard has two owners";
  SY_ASSERT_OK_AND_ASSIGN(const auto none, store().AcquireShards("three", kShardCount, now(), expire));
  EXPECT_THAT(none, IsEmpty());
}

TEST_P(TaskStoreContract, KeepsTheEpochOfAShardThatIsRenewed) {
  SY_ASSERT_OK_AND_ASSIGN(const auto first, store().AcquireShards("one", 3, now(), now() + absl::Seconds(4)));
  Advance(absl::Seconds(3));
  SY_ASSERT_OK_AND_ASSIGN(const auto again, store().AcquireShards("one", 3, now(), now() + absl::Seconds(4)));
  EXPECT_EQ(ShardsOf(again), ShardsOf(first));
  for (const ShardLease& lease : first) EXPECT_EQ(EpochOf(again, lease.shard), lease.epoch);
  Advance(absl::Seconds(3));
  SY_ASSERT_OK_AND_ASSIGN(const auto other, store().AcquireShards("two", kShardCount, now(), now() + absl::Seconds(4)));
  EXPECT_THAT(other, SizeIs(kShardCount - 3)) << "the renewal prolonged the leases";
}

TEST_P(TaskStoreContract, TakesOverExpiredShardsUnderTheNextEpoch) {
  SY_ASSERT_OK_AND_ASSIGN(const auto before,
                          store().AcquireShards("one", kShardCount, now(), now() + absl::Seconds(4)));
  Advance(absl::Seconds(4));
  SY_ASSERT_OK_AND_ASSIGN(const auto taken, store().AcquireShards("two", 5, now(), now() + absl::Seconds(4)));
  ASSERT_THAT(taken, SizeIs(5));
  for (const ShardLease& lease : taken) EXPECT_EQ(lease.epoch, EpochOf(before, lease.shard) + 1);
  // What nobody took is still the first owner's, under the old epoch.
  SY_ASSERT_OK_AND_ASSIGN(const auto kept, store().AcquireShards("one", kShardCount, now(), now() + absl::Seconds(4)));
  EXPECT_THAT(kept, SizeIs(kShardCount - 5));
  for (const ShardLease& lease : kept) EXPECT_EQ(lease.epoch, EpochOf(before, lease.shard));
}

TEST_P(TaskStoreContract, GivesReleasedShardsToOthersUnderTheNextEpoch) {
  SY_ASSERT_OK_AND_ASSIGN(const auto before,
                          store().AcquireShards("one", kShardCount, now(), now() + absl::Seconds(4)));
  SY_EXPECT_OK(store().ReleaseShards("one"));
  SY_ASSERT_OK_AND_ASSIGN(const auto after, store().AcquireShards("two", kShardCount, now(), now() + absl::Seconds(4)));
  ASSERT_THAT(after, SizeIs(kShardCount));
  for (const ShardLease& lease : after) EXPECT_GT(lease.epoch, EpochOf(before, lease.shard));
}

TEST_P(TaskStoreContract, RefusesAChangeUnderAStaleShardEpoch) {
  const TaskId id = Submit(3);
  SY_ASSERT_OK_AND_ASSIGN(const auto old, store().AcquireShards("one", kShardCount, now(), now() + absl::Seconds(4)));
  Advance(absl::Seconds(5));
  SY_ASSERT_OK_AND_ASSIGN(const auto current,
                          store().AcquireShards("two", kShardCount, now(), now() + absl::Seconds(4)));
  const TaskRecord before = Read(id);
  const Assign assign{.seen = Generation(0), .agent = "a"};
  EXPECT_EQ(Do(id, assign, {.shard_epoch = EpochOf(old, 3)}), MoveOutcome::kStaleShardEpoch);
  EXPECT_EQ(Read(id), before);
  EXPECT_EQ(Do(id, assign, {.shard_epoch = EpochOf(current, 3)}), MoveOutcome::kApplied);
}

TEST_P(TaskStoreContract, RemembersPauses) {
  const PauseEntry lane{PauseEntry::Kind::kLane, "2", "deploy", "ada", now()};
  const PauseEntry project{PauseEntry::Kind::kProject, "2", "freeze", "bob", now() + absl::Seconds(1)};
  SY_EXPECT_OK(store().Pause(lane));
  SY_EXPECT_OK(store().Pause(project));
  SY_EXPECT_OK(store().Pause(project));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<PauseEntry> entries, store().Pauses());
  ASSERT_THAT(entries, SizeIs(2)) << "pausing twice is pausing";
  const PauseEntry& stored = entries[0].kind == PauseEntry::Kind::kProject ? entries[0] : entries[1];
  EXPECT_EQ(stored.key, "2");
  EXPECT_EQ(stored.reason, "freeze");
  EXPECT_EQ(stored.principal, "bob");
  EXPECT_EQ(stored.create_time, project.create_time);
  EXPECT_THAT(store().Resume(PauseEntry::Kind::kLane, "2"), IsOkAndHolds(true));
  EXPECT_THAT(store().Resume(PauseEntry::Kind::kLane, "2"), IsOkAndHolds(false));
  EXPECT_THAT(store().Resume(PauseEntry::Kind::kProject, "other"), IsOkAndHolds(false));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<PauseEntry> rest, store().Pauses());
  EXPECT_THAT(rest, SizeIs(1));
}

TEST_P(TaskStoreContract, PublishesEachEventOnceAndInOrder) {
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition start, store().EventsEnd());
  Insert({Make(1), Make(2)});
  const TaskId one = IdOf(Make(1));
  AssignTo(one, "a");
  ReportBy(one, "a", Finished{});  // Accepted and finished: two events of one command.
  for (const int limit : {1, 2, 100}) {
    const std::vector<PublishedEvent> events = EventsAfter(start, limit);
    std::vector<TaskEvent> of_one;
    for (const PublishedEvent& event : events) {
      EXPECT_EQ(event.project, "website");
      EXPECT_EQ(event.lane, Lane::kNormal);
      if (event.task == one) of_one.push_back(event.event);
    }
    EXPECT_EQ(of_one, Read(one).timeline);
    EXPECT_THAT(events, SizeIs(of_one.size() + 1));
  }
}

TEST_P(TaskStoreContract, ResumesEventsAfterAPosition) {
  Submit(1);
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition middle, store().EventsEnd());
  const TaskId two = Submit(2);
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition end, store().EventsEnd());
  EXPECT_LT(middle, end);
  const std::vector<PublishedEvent> events = EventsAfter(middle);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].task, two);
  EXPECT_THAT(EventsAfter(end), IsEmpty());
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition begin, store().EventsBegin());
  EXPECT_LE(begin, middle);
}

TEST_P(TaskStoreContract, NoPositionThatWasGivenOutLiesBehindTheLimit) {
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition start, store().EventsEnd());
  Submit(1);
  SY_ASSERT_OK_AND_ASSIGN(const EventPage page, store().ReadEvents(start, 10));
  ASSERT_THAT(page.batches, SizeIs(1));
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition end, store().EventsEnd());
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition limit, store().EventsLimit());
  EXPECT_LE(page.batches[0].position, limit);
  EXPECT_LE(end, limit);
  EXPECT_LT(limit.transaction, end.transaction + 1'000);
}

TEST_P(TaskStoreContract, FencesOnlyTheSessionNamed) {
  SY_ASSERT_OK_AND_ASSIGN(const Session session, store().OpenSession("a", "hub", now() + absl::Seconds(30)));
  EXPECT_THAT(store().FenceSession("a", session.epoch + 1), IsOkAndHolds(false));
  EXPECT_THAT(store().FenceSession("b", session.epoch), IsOkAndHolds(false));
  EXPECT_THAT(store().FenceSession("a", session.epoch), IsOkAndHolds(true));
  EXPECT_THAT(store().FenceSession("a", session.epoch), IsOkAndHolds(false));
  EXPECT_THAT(store().RenewSessions(SessionRefs{{"a", session.epoch}}, now() + absl::Minutes(1)),
              IsOkAndHolds(IsEmpty()));
}

TEST_P(TaskStoreContract, NamesItsIncarnationStably) {
  SY_ASSERT_OK_AND_ASSIGN(const std::string incarnation, store().Incarnation());
  EXPECT_NE(incarnation, "");
  EXPECT_THAT(store().Incarnation(), IsOkAndHolds(incarnation));
  SY_ASSERT_OK_AND_ASSIGN(const EventPage page, store().ReadEvents({}, 1));
  EXPECT_EQ(page.incarnation, incarnation);
}

}  // namespace
}  // namespace switchyard::task_queue
