#include "services/agent_hub/agent_admin.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/fake_token_issuer.h"
#include "services/agent_hub/in_memory_agent_store.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kRequest[] = "0123456789abcdef";

class AgentAdminTest : public ::testing::Test {
 protected:
  EnrollQuery Named(const std::string& name) {
    EnrollQuery query;
    query.name = name;
    query.requester = "tester";
    return query;
  }
  NewAgentToken Join(const std::string& name) {
    const absl::StatusOr<Invitation> invitation = admin_.Enroll(Named(name));
    EXPECT_TRUE(invitation.ok()) << invitation.status();
    const absl::StatusOr<NewAgentToken> made = admin_.Redeem(invitation->token, kRequest, "host");
    EXPECT_TRUE(made.ok()) << made.status();
    return *made;
  }
  // As its hub sees it: idle, its probe passed.
  AgentRecord Connect(const NewAgentToken& made, int held_tasks = 0) {
    Observation seen;
    seen.agent = made.agent.id;
    seen.session_epoch = 1;
    seen.hub = "hub";
    seen.state = AgentState::kIdle;
    seen.state_time = clock_.Now();
    seen.heartbeat_time = clock_.Now();
    seen.held_tasks = held_tasks;
    EXPECT_TRUE(store_.Observe({seen}).ok());
    Health health{.agent = made.agent.id, .breaker = {}, .penalty = {}, .probe = {}};
    health.probe = Probe{ProbeState::kPassed, "", clock_.Now()};
    EXPECT_TRUE(store_.SaveHealth({health}).ok());
    return *store_.Find(made.agent.id, false);
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  InMemoryAgentStore store_;
  FakeTokenIssuer issuer_{clock_};
  std::vector<std::string> touched_;
  AgentAdmin admin_{store_,
                    issuer_,
                    clock_,
                    ids_,
                    {.addresses = {"hub.example:7403"},
                     .ca_pem = "",
                     .server_name = "",
                     .insecure = false,
                     .token_lifetime = absl::Hours(48),
                     .max_agents = 3},
                    [this](const AgentRecord& agent) { touched_.push_back(agent.name); }};
};

TEST_F(AgentAdminTest, AMachineJoinsWithItsOneTimeToken) {
  SY_ASSERT_OK_AND_ASSIGN(const Invitation invitation, admin_.Enroll(Named("alpha")));
  EXPECT_THAT(invitation.token, StartsWith("sye_"));
  EXPECT_THAT(invitation.addresses, ElementsAre("hub.example:7403"));
  SY_ASSERT_OK_AND_ASSIGN(EnrollmentView view, admin_.GetEnrollment(invitation.enrollment.id));
  EXPECT_EQ(view.state, EnrollmentState::kOpen);

  SY_ASSERT_OK_AND_ASSIGN(const NewAgentToken made, admin_.Redeem(invitation.token, kRequest, "host"));
  EXPECT_EQ(made.token.text, "token-1");
  EXPECT_EQ(made.agent.token_expire_time, clock_.Now() + absl::Hours(48));
  EXPECT_THAT(touched_, ElementsAre("alpha"));
  SY_ASSERT_OK_AND_ASSIGN(view, admin_.GetEnrollment(invitation.enrollment.id));
  EXPECT_EQ(view.state, EnrollmentState::kRedeemed);
  EXPECT_EQ(UnavailableReason(*view.agent, clock_.Now()), "it is not connected");

  Connect(made);
  SY_ASSERT_OK_AND_ASSIGN(view, admin_.GetEnrollment(invitation.enrollment.id));
  EXPECT_EQ(view.state, EnrollmentState::kCompleted);
  EXPECT_EQ(UnavailableReason(*view.agent, clock_.Now()), "");
}

TEST_F(AgentAdminTest, OnlyTheSameRequestMayRedeemAgainAndThenTheFirstTokenEnds) {
  SY_ASSERT_OK_AND_ASSIGN(const Invitation invitation, admin_.Enroll(Named("alpha")));
  SY_ASSERT_OK_AND_ASSIGN(const NewAgentToken first, admin_.Redeem(invitation.token, kRequest, ""));
  SY_ASSERT_OK_AND_ASSIGN(const NewAgentToken second, admin_.Redeem(invitation.token, kRequest, ""));
  EXPECT_EQ(first.agent.id, second.agent.id);
  EXPECT_EQ(issuer_.LiveOf(first.agent.id), second.token.text);
  EXPECT_NE(first.token.text, second.token.text);
  EXPECT_THAT(admin_.Redeem(invitation.token, "another request id", ""), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(admin_.Redeem("sye_x", kRequest, ""), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(admin_.Redeem("x", kRequest, ""), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(admin_.Redeem(invitation.token, "short", ""), IsError("INVALID_FIELD"));
}

TEST_F(AgentAdminTest, ARedemptionThatFailedHalfWayCanBeRepeated) {
  SY_ASSERT_OK_AND_ASSIGN(const Invitation invitation, admin_.Enroll(Named("alpha")));
  issuer_.FailWith(absl::UnavailableError("away"));
  EXPECT_FALSE(admin_.Redeem(invitation.token, kRequest, "").ok());
  issuer_.FailWith(absl::OkStatus());
  SY_ASSERT_OK_AND_ASSIGN(const NewAgentToken made, admin_.Redeem(invitation.token, kRequest, ""));
  EXPECT_EQ(issuer_.LiveOf(made.agent.id), made.token.text);
}

TEST_F(AgentAdminTest, EnrolmentsEndByTimeAndByRevocation) {
  EnrollQuery query = Named("alpha");
  query.lifetime = absl::Minutes(5);
  SY_ASSERT_OK_AND_ASSIGN(const Invitation expired, admin_.Enroll(query));
  SY_ASSERT_OK_AND_ASSIGN(const Invitation revoked, admin_.Enroll(Named("beta")));
  SY_ASSERT_OK(admin_.RevokeEnrollment(revoked.enrollment.id));
  clock_.Advance(absl::Minutes(5));
  EXPECT_THAT(admin_.Redeem(expired.token, kRequest, ""), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_THAT(admin_.Redeem(revoked.token, kRequest, ""), IsError("ENROLLMENT_UNKNOWN"));
  EXPECT_EQ(admin_.GetEnrollment(expired.enrollment.id)->state, EnrollmentState::kExpired);
  EXPECT_EQ(admin_.GetEnrollment(revoked.enrollment.id)->state, EnrollmentState::kRevoked);
}

TEST_F(AgentAdminTest, RefusesEnrolmentsThatCannotBe) {
  EnrollQuery odd = Named("No Name");
  odd.lifetime = absl::Seconds(1);
  odd.token_lifetime = absl::Hours(24 * 400);
  odd.labels = {{"A", "b"}};
  odd.addresses = {"nowhere"};
  const absl::Status refused = admin_.Enroll(odd).status();
  EXPECT_EQ(DetailsOf(refused).violations.size(), 5u) << refused;
  Join("alpha");
  EXPECT_THAT(admin_.Enroll(Named("alpha")), IsError("AGENT_NAME_TAKEN"));
  Join("beta");
  Join("gamma");
  EXPECT_THAT(admin_.Enroll(Named("delta")), IsError("TOO_MANY_AGENTS"));
  AgentAdmin homeless(store_, issuer_, clock_, ids_, {});
  EXPECT_THAT(homeless.Enroll(Named("delta")), IsError("NO_HUB_ADDRESS"));
}

TEST_F(AgentAdminTest, MarksKeepTheirFirstReasonUntilResume) {
  const NewAgentToken made = Join("alpha");
  Connect(made);
  SY_ASSERT_OK(admin_.Drain("alpha", "upgrade", "ann").status());
  SY_ASSERT_OK_AND_ASSIGN(AgentRecord agent, admin_.Drain(made.agent.id.ToString(), "other", "bob"));
  EXPECT_EQ(agent.drain->reason, "upgrade");
  EXPECT_EQ(UnavailableReason(agent, clock_.Now()), "drained by ann");
  SY_ASSERT_OK_AND_ASSIGN(agent, admin_.Quarantine("alpha", "odd results", "bob"));
  EXPECT_EQ(UnavailableReason(agent, clock_.Now()), "quarantined by bob");
  SY_ASSERT_OK_AND_ASSIGN(agent, admin_.Resume("alpha"));
  EXPECT_EQ(UnavailableReason(agent, clock_.Now()), "");
  EXPECT_THAT(admin_.Drain("alpha", "a\nb", "ann"), IsError("INVALID_FIELD"));
  EXPECT_THAT(admin_.Drain("nobody", "", "ann"), IsError("AGENT_NOT_FOUND"));
  EXPECT_THAT(admin_.Drain("No Name", "", "ann"), IsError("INVALID_FIELD"));
}

TEST_F(AgentAdminTest, ABusyAgentIsRemovedOnlyByForce) {
  const NewAgentToken made = Join("alpha");
  Connect(made, 2);
  EXPECT_THAT(admin_.Remove("alpha", "", false), IsError("AGENT_BUSY"));
  EXPECT_EQ(issuer_.LiveOf(made.agent.id), "token-1");
  SY_ASSERT_OK(admin_.Remove("alpha", "", true).status());
  EXPECT_EQ(issuer_.LiveOf(made.agent.id), "");
  EXPECT_THAT(admin_.Find("alpha"), IsError("AGENT_NOT_FOUND"));
  EXPECT_NE(Join("alpha").agent.id, made.agent.id);
}

TEST_F(AgentAdminTest, ResettingTheBreakerAlsoEndsAPenalty) {
  const NewAgentToken made = Join("alpha");
  Connect(made);
  Health health{.agent = made.agent.id, .breaker = {}, .penalty = {}, .probe = {}};
  health.breaker = Breaker{3, "no disk", clock_.Now(), clock_.Now() + absl::Minutes(5)};
  health.penalty = Penalty{1, "FLOOD", clock_.Now(), clock_.Now() + absl::Minutes(5)};
  SY_ASSERT_OK(store_.SaveHealth({health}));
  EXPECT_THAT(UnavailableReason(*admin_.Find("alpha"), clock_.Now()), HasSubstr("breaker is open: no disk"));
  SY_ASSERT_OK_AND_ASSIGN(const AgentRecord agent, admin_.ResetBreaker("alpha"));
  EXPECT_EQ(agent.breaker, Breaker());
  EXPECT_EQ(agent.penalty, Penalty());
}

TEST_F(AgentAdminTest, TokensRotateRenewAndEnd) {
  const NewAgentToken made = Join("alpha");
  const std::string id = made.agent.id.ToString();
  SY_ASSERT_OK_AND_ASSIGN(const NewAgentToken rotated, admin_.Rotate("alpha", absl::Minutes(10)));
  EXPECT_EQ(rotated.token.text, "token-2");
  EXPECT_EQ(rotated.token.old_expire_time, clock_.Now() + absl::Minutes(10));
  EXPECT_THAT(admin_.Rotate("alpha", absl::Hours(24 * 8)), IsError("INVALID_FIELD"));
  SY_ASSERT_OK(admin_.Renew(id).status());
  EXPECT_THAT(admin_.Renew(id), IsError("RENEWED_TOO_OFTEN"));
  clock_.Advance(absl::Minutes(1));
  SY_EXPECT_OK(admin_.Renew(id).status());

  SY_ASSERT_OK_AND_ASSIGN(const AgentRecord revoked, admin_.RevokeToken("alpha", "lost"));
  EXPECT_TRUE(revoked.revoked);
  EXPECT_EQ(issuer_.LiveOf(made.agent.id), "");
  EXPECT_THAT(admin_.Rotate("alpha", std::nullopt), IsError("TOKEN_NOT_FOUND"));
  EXPECT_EQ(Join("alpha").agent.id, made.agent.id) << "a new enrolment brings it back";
  EXPECT_FALSE(admin_.Find("alpha")->revoked);
}

TEST_F(AgentAdminTest, AHubThatDiedLeavesNoAgentAvailable) {
  const NewAgentToken made = Join("alpha");
  const AgentRecord agent = Connect(made);
  EXPECT_EQ(AsOf(agent.seen, clock_.Now()).state, AgentState::kIdle);
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(AsOf(agent.seen, clock_.Now()).state, AgentState::kUnresponsive);
  EXPECT_EQ(UnavailableReason(agent, clock_.Now()), "it does not answer");
  clock_.Advance(absl::Hours(48));
  EXPECT_EQ(UnavailableReason(agent, clock_.Now()), "its token has expired");
}

TEST_F(AgentAdminTest, ListsByPages) {
  for (const char* name : {"c", "a", "b"}) Join(name);
  ListAgentsQuery query;
  query.page_size = 2;
  SY_ASSERT_OK_AND_ASSIGN(AgentPage page, admin_.List(query));
  EXPECT_EQ(page.agents.size(), 2u);
  query.page_token = page.next_page_token;
  SY_ASSERT_OK_AND_ASSIGN(page, admin_.List(query));
  ASSERT_EQ(page.agents.size(), 1u);
  EXPECT_EQ(page.agents[0].name, "c");
  EXPECT_THAT(page.next_page_token, IsEmpty());
  query.page_token = "Not Ours";
  EXPECT_THAT(admin_.List(query), IsError("INVALID_FIELD"));
}

}  // namespace
}  // namespace switchyard::agent_hub
