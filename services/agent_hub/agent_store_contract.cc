#include "services/agent_hub/agent_store_contract.h"

#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/agent_errors.h"

namespace switchyard::agent_hub {

using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace {

std::string Hash(int n) {
  std::string hash(32, '\0');
  hash[0] = static_cast<char>(n);
  return hash;
}

std::vector<std::string> Names(const absl::StatusOr<std::vector<AgentRecord>>& agents) {
  EXPECT_TRUE(agents.ok()) << agents.status();
  std::vector<std::string> names;
  if (agents.ok()) {
    for (const AgentRecord& agent : *agents) names.push_back(agent.name);
  }
  return names;
}

}  // namespace

void PrintTo(const AgentStoreParam& param, std::ostream* os) { *os << param.name; }

Enrollment AgentStoreContract::Make(int n, const std::string& name) const {
  Enrollment enrollment;
  enrollment.id = EnrollmentId(FakeUuid(now_, static_cast<std::uint64_t>(n)));
  enrollment.agent = AgentId(FakeUuid(now_, static_cast<std::uint64_t>(1'000 + n)));
  enrollment.name = name;
  enrollment.labels = {{"rack", "a=1"}, {"site", "home"}};
  enrollment.token_hash = Hash(n);
  enrollment.create_time = now_;
  enrollment.expire_time = now_ + absl::Hours(1);
  enrollment.created_by = "tester";
  enrollment.token_lifetime = absl::Hours(48);
  return enrollment;
}

AgentRecord AgentStoreContract::Join(int n, const std::string& name) {
  Enrollment enrollment = Make(n, name);
  const absl::StatusOr<EnrollKind> kind = store().Enroll(enrollment, 100);
  EXPECT_TRUE(kind.ok() && *kind == EnrollKind::kCreated) << kind.status();
  const absl::StatusOr<Redeemed> redeemed = store().Redeem(enrollment.token_hash, "once", "host", now_);
  EXPECT_TRUE(redeemed.ok()) << redeemed.status();
  const absl::StatusOr<AgentRecord> agent = store().Change(enrollment.agent, now_, [&](AgentRecord& record) {
    record.token_expire_time = now_ + absl::Hours(1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(agent.ok()) << agent.status();
  return agent.value_or(AgentRecord());
}

Observation AgentStoreContract::See(const AgentId& agent, std::int64_t epoch, AgentState state,
                                    absl::Duration later) const {
  Observation seen;
  seen.agent = agent;
  seen.session_epoch = epoch;
  seen.hub = "hub-1";
  seen.state = state;
  seen.state_time = now_ + later;
  seen.state_cause = absl::StrCat("cause ", absl::FormatDuration(later));
  seen.transitions = {{seen.state_time, AgentState::kOffline, state, seen.state_cause, "hub-1"}};
  return seen;
}

TEST_P(AgentStoreContract, RedeemingAnEnrolmentMakesAnAgentWhoseProbeIsPending) {
  const AgentRecord agent = Join(1, "alpha");
  EXPECT_EQ(agent.name, "alpha");
  EXPECT_EQ(agent.probe.state, ProbeState::kPending);
  EXPECT_EQ(agent.seen.state, AgentState::kOffline);
  EXPECT_THAT(agent.labels, ElementsAre(std::pair("rack", "a=1"), std::pair("site", "home")));
  EXPECT_THAT(store().Find(agent.id), IsOkAndHolds(agent));
  EXPECT_THAT(store().FindByName("alpha"), IsOkAndHolds(agent));
  SY_ASSERT_OK_AND_ASSIGN(const Enrollment enrollment, store().FindEnrollment(Make(1, "").id));
  EXPECT_EQ(enrollment.redeem_time, now_);
  EXPECT_EQ(enrollment.host_name, "host");
  EXPECT_EQ(enrollment.token_lifetime, absl::Hours(48));
}

TEST_P(AgentStoreContract, TellsWhatIsNotThere) {
  const Enrollment nobody = Make(1, "nobody");
  EXPECT_THAT(store().Find(nobody.agent), IsError("AGENT_NOT_FOUND"));
  EXPECT_THAT(store().FindByName("nobody"), IsError("AGENT_NOT_FOUND"));
  EXPECT_THAT(store().FindEnrollment(nobody.id), IsError("ENROLLMENT_NOT_FOUND"));
  EXPECT_THAT(store().RevokeEnrollment(nobody.id, now_), IsError("ENROLLMENT_NOT_FOUND"));
  EXPECT_THAT(store().Redeem(Hash(1), "once", "", now_), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(store().Change(nobody.agent, now_, [](AgentRecord&) { return absl::OkStatus(); }),
              IsError("AGENT_NOT_FOUND"));
  EXPECT_THAT(store().Transitions(nobody.agent), IsOkAndHolds(IsEmpty()));
  SY_EXPECT_OK(store().Observe({See(nobody.agent, 1, AgentState::kIdle, absl::ZeroDuration())}));
  SY_EXPECT_OK(store().Observe({}));
  SY_EXPECT_OK(store().SaveHealth({}));
}

TEST_P(AgentStoreContract, OneRequestRedeemsAnEnrolmentAndMayRepeatThat) {
  Enrollment enrollment = Make(1, "alpha");
  EXPECT_THAT(store().Enroll(enrollment, 100), IsOkAndHolds(EnrollKind::kCreated));
  SY_ASSERT_OK_AND_ASSIGN(const Redeemed first, store().Redeem(Hash(1), "one", "", now_));
  EXPECT_FALSE(first.repeated);
  SY_ASSERT_OK_AND_ASSIGN(const Redeemed again, store().Redeem(Hash(1), "one", "", now_ + absl::Minutes(1)));
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.enrollment.agent, first.enrollment.agent);
  EXPECT_THAT(store().Redeem(Hash(1), "other", "", now_), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(store().Redeem(Hash(1), "one", "", now_ + absl::Hours(1)), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(store().RevokeEnrollment(enrollment.id, now_), IsError("ENROLLMENT_REDEEMED"));
}

TEST_P(AgentStoreContract, ExpiredAndRevokedEnrolmentsAreUnknown) {
  Enrollment expired = Make(1, "alpha"), revoked = Make(2, "beta");
  SY_ASSERT_OK(store().Enroll(expired, 100).status());
  SY_ASSERT_OK(store().Enroll(revoked, 100).status());
  SY_ASSERT_OK(store().RevokeEnrollment(revoked.id, now_));
  SY_ASSERT_OK(store().RevokeEnrollment(revoked.id, now_));
  EXPECT_THAT(store().Redeem(Hash(1), "x", "", now_ + absl::Hours(1)), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(store().Redeem(Hash(2), "x", "", now_), IsError("ENROLLMENT_UNKNOWN"));
}

TEST_P(AgentStoreContract, ANewEnrolmentForANameEndsTheOlderOne) {
  Enrollment older = Make(1, "alpha"), newer = Make(2, "alpha");
  SY_ASSERT_OK(store().Enroll(older, 1).status());
  EXPECT_THAT(store().Enroll(newer, 1), IsOkAndHolds(EnrollKind::kCreated));
  EXPECT_THAT(store().Redeem(Hash(1), "x", "", now_), IsError("ENROLLMENT_UNKNOWN"));
  SY_EXPECT_OK(store().Redeem(Hash(2), "x", "", now_).status());
}

TEST_P(AgentStoreContract, BoundsAgentsAndOpenEnrolments) {
  Join(1, "alpha");
  Enrollment second = Make(2, "beta"), third = Make(3, "gamma");
  EXPECT_THAT(store().Enroll(second, 2), IsOkAndHolds(EnrollKind::kCreated));
  EXPECT_THAT(store().Enroll(third, 2), IsOkAndHolds(EnrollKind::kTooMany));
}

TEST_P(AgentStoreContract, ANameBelongsToOneAgentUntilItsTokenHasEnded) {
  const AgentRecord agent = Join(1, "alpha");
  Enrollment second = Make(2, "alpha");
  EXPECT_THAT(store().Enroll(second, 100), IsOkAndHolds(EnrollKind::kNameTaken));
  SY_ASSERT_OK(store().Observe({See(agent.id, 3, AgentState::kIdle, absl::Seconds(1))}));
  SY_ASSERT_OK(store()
                   .Change(agent.id, now_,
                           [](AgentRecord& record) {
                             record.token_expire_time.reset();
                             record.revoked = true;
                             record.probe.state = ProbeState::kPassed;
                             return absl::OkStatus();
                           })
                   .status());
  EXPECT_THAT(store().Enroll(second, 100), IsOkAndHolds(EnrollKind::kCreated));
  EXPECT_EQ(second.agent, agent.id);
  SY_ASSERT_OK(store().Redeem(Hash(2), "x", "", now_).status());
  SY_ASSERT_OK_AND_ASSIGN(const AgentRecord back, store().Find(agent.id));
  EXPECT_FALSE(back.revoked);
  EXPECT_EQ(back.probe.state, ProbeState::kPending);
  EXPECT_EQ(back.seen.session_epoch, 3);
}

TEST_P(AgentStoreContract, ObservationsOfOlderSessionsDoNotCount) {
  const AgentRecord agent = Join(1, "alpha");
  Observation first = See(agent.id, 5, AgentState::kWorking, absl::Seconds(1));
  first.held_tasks = 2;
  first.peer = "ipv4:10.0.0.1:5";
  first.connect_time = now_;
  first.heartbeat_time = now_ + absl::Seconds(1);
  first.capabilities = {"gpu", "os:linux"};
  first.said = std::string("\x01\x00\x02", 3);
  SY_ASSERT_OK(store().Observe({first}));
  SY_ASSERT_OK(store().Observe({See(agent.id, 4, AgentState::kIdle, absl::Seconds(2))}));
  SY_ASSERT_OK_AND_ASSIGN(AgentRecord seen, store().Find(agent.id));
  EXPECT_EQ(seen.seen.state, AgentState::kWorking);
  EXPECT_EQ(seen.seen.held_tasks, 2);
  EXPECT_THAT(seen.seen.capabilities, ElementsAre("gpu", "os:linux"));
  EXPECT_EQ(seen.seen.said, *first.said);
  EXPECT_EQ(seen.seen.last_connect_time, now_);
  EXPECT_THAT(store().Transitions(agent.id), IsOkAndHolds(SizeIs(1)));

  SY_ASSERT_OK(store().Observe({See(agent.id, 5, AgentState::kIdle, absl::Seconds(3))}));
  SY_ASSERT_OK_AND_ASSIGN(seen, store().Find(agent.id));
  EXPECT_EQ(seen.seen.state, AgentState::kIdle);
  EXPECT_EQ(seen.seen.peer, "ipv4:10.0.0.1:5");
  EXPECT_THAT(seen.seen.capabilities, SizeIs(2));
  EXPECT_EQ(seen.seen.last_heartbeat_time, now_ + absl::Seconds(1));

  Observation bare = See(agent.id, 6, AgentState::kConnecting, absl::Seconds(4));
  bare.capabilities.emplace();
  SY_ASSERT_OK(store().Observe({bare}));
  SY_ASSERT_OK_AND_ASSIGN(seen, store().Find(agent.id));
  EXPECT_THAT(seen.seen.capabilities, IsEmpty());
}

TEST_P(AgentStoreContract, KeepsTheLastTransitionsNewestFirstAndEachOnce) {
  const AgentRecord agent = Join(1, "alpha"), other = Join(2, "beta");
  SY_ASSERT_OK(store().Observe({See(other.id, 1, AgentState::kIdle, absl::ZeroDuration())}));
  Observation many = See(agent.id, 1, AgentState::kIdle, absl::Seconds(kMaxTransitions + 20));
  many.transitions.clear();
  for (int i = 1; i <= kMaxTransitions + 20; ++i) {
    many.transitions.push_back(
        {now_ + absl::Seconds(i), AgentState::kIdle, AgentState::kWorking, absl::StrCat("cause ", i), "hub-1"});
  }
  SY_ASSERT_OK(store().Observe({many}));
  SY_ASSERT_OK(store().Observe({many}));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<Transition> kept, store().Transitions(agent.id));
  ASSERT_THAT(kept, SizeIs(kMaxTransitions));
  EXPECT_EQ(kept.front(), many.transitions.back());
  EXPECT_EQ(kept.back().cause, "cause 21");
  EXPECT_THAT(store().Transitions(other.id), IsOkAndHolds(SizeIs(1)));
}

TEST_P(AgentStoreContract, KeepsHealthWhereItWasSaid) {
  const AgentRecord agent = Join(1, "alpha");
  Health health{.agent = agent.id, .breaker = {}, .penalty = {}, .probe = {}};
  health.breaker = Breaker{3, "no sandbox", now_, now_ + absl::Minutes(5)};
  SY_ASSERT_OK(store().SaveHealth({health}));
  Health more{.agent = agent.id, .breaker = {}, .penalty = {}, .probe = {}};
  more.penalty = Penalty{2, "FLOOD", now_, now_ + absl::Minutes(1)};
  more.probe = Probe{ProbeState::kPassed, "", now_};
  SY_ASSERT_OK(store().SaveHealth({more}));
  SY_ASSERT_OK_AND_ASSIGN(const AgentRecord kept, store().Find(agent.id));
  EXPECT_EQ(kept.breaker, *health.breaker);
  EXPECT_EQ(kept.penalty, *more.penalty);
  EXPECT_EQ(kept.probe, *more.probe);
}

TEST_P(AgentStoreContract, AChangeThatFailsChangesNothing) {
  const AgentRecord agent = Join(1, "alpha");
  EXPECT_THAT(store().Change(agent.id, now_,
                             [&](AgentRecord& record) {
                               record.drain = Mark{"why", "me", now_};
                               return AgentBusy(record);
                             }),
              IsError("AGENT_BUSY"));
  EXPECT_THAT(store().Find(agent.id), IsOkAndHolds(agent));
}

TEST_P(AgentStoreContract, TellsHubsWhomAPersonTouched) {
  const AgentRecord alpha = Join(1, "alpha");
  Join(2, "beta");
  const absl::Time later = now_ + absl::Minutes(1);
  EXPECT_THAT(Names(store().TouchedSince(later)), IsEmpty());
  SY_ASSERT_OK(store()
                   .Change(alpha.id, later,
                           [&](AgentRecord& record) {
                             record.drain = Mark{"upgrade", "me", later};
                             record.quarantine = Mark{"odd", "you", later};
                             record.remove_time = later;
                             return absl::OkStatus();
                           })
                   .status());
  EXPECT_THAT(Names(store().TouchedSince(later)), ElementsAre("alpha"));
  EXPECT_THAT(store().Find(alpha.id), IsError("AGENT_NOT_FOUND"));
  SY_ASSERT_OK_AND_ASSIGN(const AgentRecord gone, store().Find(alpha.id, true));
  EXPECT_EQ(gone.drain, (Mark{"upgrade", "me", later}));
  EXPECT_EQ(gone.quarantine, (Mark{"odd", "you", later}));
  Enrollment again = Make(3, "alpha");
  EXPECT_THAT(store().Enroll(again, 100), IsOkAndHolds(EnrollKind::kCreated));
  EXPECT_NE(again.agent, alpha.id);
  SY_ASSERT_OK(store().Forget(later + absl::Seconds(1)));
  EXPECT_THAT(store().Find(alpha.id, true), IsError("AGENT_NOT_FOUND"));
  SY_EXPECT_OK(store().FindByName("beta").status());
}

TEST_P(AgentStoreContract, ListsByNameWhatMatches) {
  for (const auto& [n, name] : {std::pair{1, "delta"}, {2, "alpha"}, {3, "charlie"}, {4, "bravo"}}) Join(n, name);
  SY_ASSERT_OK_AND_ASSIGN(const AgentRecord charlie, store().FindByName("charlie"));
  Observation seen = See(charlie.id, 1, AgentState::kIdle, absl::ZeroDuration());
  seen.capabilities = {"gpu", "os:linux"};
  SY_ASSERT_OK(store().Observe({seen}));
  EXPECT_THAT(Names(store().List({})), ElementsAre("alpha", "bravo", "charlie", "delta"));
  EXPECT_THAT(Names(store().List({.after_name = "alpha", .limit = 2, .states = {}, .capabilities = {}})),
              ElementsAre("bravo", "charlie"));
  EXPECT_THAT(Names(store().List({.after_name = "", .limit = 9, .states = {AgentState::kIdle}, .capabilities = {}})),
              ElementsAre("charlie"));
  EXPECT_THAT(Names(store().List({.after_name = "", .limit = 9, .states = {}, .capabilities = {"gpu"}})),
              ElementsAre("charlie"));
  EXPECT_THAT(Names(store().List({.after_name = "", .limit = 9, .states = {}, .capabilities = {"gpu", "tpu"}})),
              IsEmpty());
}

TEST_P(AgentStoreContract, TwoHubsMayWriteAtOnce) {
  std::vector<AgentRecord> agents;
  for (int i = 1; i <= 8; ++i) agents.push_back(Join(i, absl::StrCat("agent-", i)));
  std::vector<Observation> forth, back;
  for (const AgentRecord& agent : agents) {
    forth.push_back(See(agent.id, 1, AgentState::kIdle, absl::Seconds(1)));
    back.insert(back.begin(), See(agent.id, 1, AgentState::kWorking, absl::Seconds(1)));
  }
  std::vector<std::thread> hubs;
  for (const std::vector<Observation>* batch : {&forth, &back}) {
    hubs.emplace_back([this, batch] {
      for (int i = 0; i < 20; ++i) SY_EXPECT_OK(store().Observe(*batch));
    });
  }
  for (std::thread& hub : hubs) hub.join();
  EXPECT_THAT(store().Transitions(agents[0].id), IsOkAndHolds(SizeIs(2)));
}

LogStoreContract::LogStoreContract() : task_(FakeUuid(now_, 7)), fixture_(GetParam().make()) {
  const absl::Status made = store().Maintain(now_, absl::Hours(48), now_ - absl::Hours(240));
  EXPECT_TRUE(made.ok()) << made;
}

LogChunk LogStoreContract::Chunk(std::int64_t generation, std::int64_t sequence, std::string data) const {
  return {.task = task_,
          .generation = generation,
          .sequence = sequence,
          .stream = LogStream::kStdout,
          .data = std::move(data),
          .time = now_,
          .last = false,
          .omitted_bytes = 0};
}

std::string LogStoreContract::Places(const LogQuery& query) {
  const absl::StatusOr<std::vector<LogChunk>> chunks = store().Read(query);
  if (!chunks.ok()) return chunks.status().ToString();
  std::vector<std::string> places;
  for (const LogChunk& chunk : *chunks) {
    places.push_back(absl::StrCat(chunk.generation, "/", chunk.sequence,
                                  chunk.omitted_bytes > 0 ? absl::StrCat("-", chunk.omitted_bytes) : "",
                                  chunk.last ? "!" : ""));
  }
  return absl::StrJoin(places, " ");
}

TEST_P(LogStoreContract, ReadsInOrderWhatWasAppendedAndEachChunkOnce) {
  LogChunk end = Chunk(2, 1, std::string("\xff\0z", 3));
  end.last = true;
  end.stream = LogStream::kStderr;
  end.omitted_bytes = 9;
  SY_ASSERT_OK(store().Append({Chunk(1, 1, "a"), Chunk(1, 2, "b"), end}, now_));
  SY_ASSERT_OK(store().Append({Chunk(1, 2, "b"), Chunk(1, 3, "c"), Chunk(1, 3, "c")}, now_ + absl::Hours(24)));
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {}}), "1/1 1/2 1/3 2/1-9!");
  EXPECT_EQ(Places({.task = task_, .generation = 1, .after = {}}), "1/1 1/2 1/3");
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {1, 2}}), "1/3 2/1-9!");
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {2, 1}}), "");
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<LogChunk> read,
                          store().Read({.task = task_, .generation = 2, .after = {}}));
  EXPECT_THAT(read, ElementsAre(end));
  EXPECT_EQ(Places({.task = TaskId(FakeUuid(now_, 8)), .generation = 0, .after = {}}), "");
}

TEST_P(LogStoreContract, APageIsBoundedButNeverEmpty) {
  SY_ASSERT_OK(store().Append(
      {Chunk(1, 1, std::string(40, 'a')), Chunk(1, 2, std::string(40, 'b')), Chunk(2, 1, std::string(40, 'c'))}, now_));
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {}, .max_bytes = 1}), "1/1");
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {}, .max_bytes = 41}), "1/1 1/2");
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {1, 1}, .max_bytes = 80}), "1/2 2/1");
}

TEST_P(LogStoreContract, KeepsHeadAndTailOfALongLogAndSaysWhatIsMissing) {
  for (int i = 1; i <= 40; ++i) SY_ASSERT_OK(store().Append({Chunk(1, i, std::string(20, 'x'))}, now_));
  SY_ASSERT_OK(store().Append({Chunk(2, 1, "short")}, now_));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<LogChunk> kept,
                          store().Read({.task = task_, .generation = 1, .after = {}}));
  std::int64_t bytes = 0, omitted = 0;
  for (const LogChunk& chunk : kept) {
    bytes += static_cast<std::int64_t>(chunk.data.size());
    omitted += chunk.omitted_bytes;
  }
  EXPECT_EQ(bytes + omitted, 40 * 20);
  EXPECT_LE(bytes, 100 + 250);
  EXPECT_EQ(kept.front().sequence, 1);
  EXPECT_EQ(kept[4].sequence, 5) << "the head is whole";
  EXPECT_GT(kept[5].omitted_bytes, 0);
  EXPECT_EQ(kept[5].sequence, 6 + kept[5].omitted_bytes / 20);
  EXPECT_EQ(kept.back().sequence, 40);
  // Whoever had read all that was cut misses nothing.
  EXPECT_EQ(Places({.task = task_, .generation = 1, .after = {1, kept[5].sequence - 1}, .max_bytes = 1}),
            absl::StrCat("1/", kept[5].sequence));
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {1, 40}}), "2/1");
  SY_ASSERT_OK(store().Append({Chunk(1, 3, "late")}, now_));
  EXPECT_THAT(store().Read({.task = task_, .generation = 1, .after = {}}), IsOkAndHolds(SizeIs(kept.size())));
}

TEST_P(LogStoreContract, FindsWhereTheTailBegins) {
  EXPECT_THAT(store().FindTail(task_, 0, 10), IsOkAndHolds(LogPosition{0, 0}));
  SY_ASSERT_OK(
      store().Append({Chunk(1, 1, "aaaaa"), Chunk(3, 1, "bbbbb"), Chunk(3, 2, "ccccc"), Chunk(3, 3, "ddddd")}, now_));
  EXPECT_THAT(store().FindTail(task_, 0, 10), IsOkAndHolds(LogPosition{3, 1}));
  EXPECT_THAT(store().FindTail(task_, 0, 1), IsOkAndHolds(LogPosition{3, 2}));
  EXPECT_THAT(store().FindTail(task_, 0, 100), IsOkAndHolds(LogPosition{3, 0}));
  EXPECT_THAT(store().FindTail(task_, 1, 1), IsOkAndHolds(LogPosition{1, 0}));
}

TEST_P(LogStoreContract, DropsWholeDaysAfterTheirRetention) {
  SY_ASSERT_OK(store().Append({Chunk(1, 1, "old")}, now_));
  SY_ASSERT_OK(store().Append({Chunk(1, 2, "young")}, now_ + absl::Hours(24)));
  SY_ASSERT_OK(store().Maintain(now_ + absl::Hours(24), absl::Hours(24), now_ + absl::Hours(23)));
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {}}), "1/1 1/2");
  SY_ASSERT_OK(store().Maintain(now_ + absl::Hours(24), absl::Hours(24), now_ + absl::Hours(25)));
  EXPECT_EQ(Places({.task = task_, .generation = 0, .after = {}}), "1/2");
  SY_ASSERT_OK(store().Maintain(now_ + absl::Hours(24), absl::Hours(24), now_ + absl::Hours(25)));
}

TEST_P(LogStoreContract, SeveralHubsMayAppendAtOnce) {
  std::vector<std::thread> hubs;
  for (int n = 0; n < 4; ++n) {
    hubs.emplace_back([this, n] {
      for (int i = 1; i <= 20; ++i) {
        std::vector<LogChunk> batch = {Chunk(1, i, "x"), Chunk(2, i, "y")};
        if (n % 2 == 0) std::swap(batch[0], batch[1]);
        SY_EXPECT_OK(store().Append(batch, now_));
      }
    });
  }
  for (std::thread& hub : hubs) hub.join();
  EXPECT_THAT(store().Read({.task = task_, .generation = 0, .after = {}}), IsOkAndHolds(SizeIs(40)));
}

}  // namespace switchyard::agent_hub
