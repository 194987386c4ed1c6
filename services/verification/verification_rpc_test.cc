#include "services/verification/verification_rpc.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/rpc/retry.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/verification/fake_queue.h"
#include "services/verification/in_memory_verification_store.h"
#include "services/verification/verifier.h"

namespace switchyard::verification {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using Stub = v1::VerificationService::StubInterface;

class VerificationRpcTest : public ::testing::Test {
 protected:
  VerificationRpcTest() {
    work_.Start();
    rpc_ = std::make_unique<VerificationRpc>(server_.gate(), records_, work_);
    server_.Register(*rpc_, v1::VerificationService::service_full_name());
    server_.Start();
    stub_ = v1::VerificationService::NewStub(server_.channel());
  }
  ~VerificationRpcTest() override {
    stub_.reset();
    server_.Stop();
    work_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(const char* token,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return rpc::CallUnary(server_.caller(token), *stub_, method, request, {});
  }
  template <class Request, class Response>
  std::vector<std::string> Faults(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                  const Request& request) {
    std::vector<std::string> fields;
    for (const FieldViolation& fault : DetailsOf(Call("admin-token", method, request).status()).violations) {
      fields.push_back(fault.field);
    }
    return fields;
  }
  std::string Verified() {
    const WorkKey key = queue_.Await();
    verifier_.Hear({&key, 1});
    SY_EXPECT_OK(verifier_.Tick());
    clock_.Advance(absl::Seconds(1));
    return key.task.ToString();
  }

  testing::FakeClock clock_;
  telemetry::Metrics metrics_;
  VerificationMeter meter_{metrics_};
  InMemoryVerificationStore store_;
  FakeQueue queue_{clock_};
  Verifier verifier_{{store_, queue_, clock_, meter_, [] {}, [] {}}, {}};
  VerificationRecords records_{store_, clock_};
  BoundedExecutor work_{"work", 2, 16};
  std::unique_ptr<VerificationRpc> rpc_;
  testing::RpcTestServer server_{testing::RpcTestServer::Options(), &clock_, nullptr};
  std::unique_ptr<v1::VerificationService::Stub> stub_;
};

TEST_F(VerificationRpcTest, ListsInPages) {
  std::vector<std::string> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(Verified());
  std::vector<std::string> seen;
  v1::ListVerificationsRequest request;
  request.set_page_size(2);
  do {
    SY_ASSERT_OK_AND_ASSIGN(const v1::ListVerificationsResponse page,
                            Call("read-token", &Stub::ListVerifications, request));
    for (const v1::Verification& one : page.verifications()) {
      seen.push_back(one.task_id());
      EXPECT_FALSE(one.has_report());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(seen, ElementsAre(tasks[4], tasks[3], tasks[2], tasks[1], tasks[0]));
  request.set_task_id(tasks[1]);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListVerificationsResponse one,
                          Call("read-token", &Stub::ListVerifications, request));
  EXPECT_EQ(one.verifications_size(), 1);
  request.set_page_token("x");
  EXPECT_THAT(Faults(&Stub::ListVerifications, request), ElementsAre("page_token"));
}

TEST_F(VerificationRpcTest, ShowsOneWhole) {
  v1::GetVerificationRequest request;
  request.set_task_id(Verified());
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetVerificationResponse got, Call("read-token", &Stub::GetVerification, request));
  EXPECT_EQ(got.verification().report().steps_size(), 1);
  EXPECT_EQ(got.verification().state(), v1::VERIFICATION_STATE_CONCLUDED);
  request.set_generation(9);
  EXPECT_THAT(Call("read-token", &Stub::GetVerification, request), IsError("VERIFICATION_NOT_FOUND"));
}

TEST_F(VerificationRpcTest, SetsShowsAndRemovesPolicies) {
  v1::SetPolicyRequest set;
  set.mutable_policy()->set_project("web");
  set.mutable_policy()->set_judge(v1::JUDGE_RULE_COMPLEX);
  EXPECT_THAT(Call("submit-token", &Stub::SetPolicy, set), IsError("SCOPE_MISSING"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::SetPolicyResponse made, Call("admin-token", &Stub::SetPolicy, set));
  EXPECT_EQ(made.policy().version(), 1);
  EXPECT_EQ(made.policy().least_confidence(), kDefaultConfidence);
  EXPECT_EQ(made.policy().judge_timeout().seconds(), 900);
  EXPECT_FALSE(made.policy().partial());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListPoliciesResponse listed,
                          Call("read-token", &Stub::ListPolicies, v1::ListPoliciesRequest()));
  ASSERT_EQ(listed.policies_size(), 2);
  EXPECT_EQ(listed.policies(0).project(), "web");
  EXPECT_EQ(listed.policies(1).version(), 0) << "the built-in one";
  v1::RemovePolicyRequest remove;
  remove.set_project("web");
  EXPECT_THAT(Call("admin-token", &Stub::RemovePolicy, remove), IsOk());
  EXPECT_THAT(Call("admin-token", &Stub::RemovePolicy, remove), IsError("POLICY_NOT_FOUND"));
}

TEST_F(VerificationRpcTest, RecordsOutcomesByWhoSaysThem) {
  v1::RecordOutcomeRequest request;
  request.set_task_id(Verified());
  request.set_kind(v1::OUTCOME_KIND_GOOD);
  request.set_note("well done");
  EXPECT_THAT(Call("read-token", &Stub::RecordOutcome, request), IsError("SCOPE_MISSING"));
  for (int i = 0; i < 2; ++i) {
    SY_ASSERT_OK_AND_ASSIGN(const v1::RecordOutcomeResponse marked,
                            Call("submit-token", &Stub::RecordOutcome, request));
    ASSERT_EQ(marked.verification().outcomes_size(), 1) << "told twice it counts once";
    EXPECT_EQ(marked.verification().outcomes(0).note(), "well done");
    EXPECT_NE(marked.verification().outcomes(0).source(), "");
  }
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetCalibrationResponse figures,
                          Call("read-token", &Stub::GetCalibration, v1::GetCalibrationRequest()));
  ASSERT_EQ(figures.authors_size(), 1);
  EXPECT_EQ(figures.authors(0).agreed(), 1);
}

TEST_F(VerificationRpcTest, Reassesses) {
  v1::ReassessRequest request;
  request.set_task_id(Verified());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReassessResponse response, Call("read-token", &Stub::Reassess, request));
  EXPECT_EQ(response.reason(), "CHECKS_PASSED");
  EXPECT_EQ(response.policy(), "built-in");
}

TEST_F(VerificationRpcTest, ReportsFaultsByField) {
  v1::ListVerificationsRequest list;
  list.set_page_size(1'001);
  list.set_task_id("x");
  EXPECT_THAT(Faults(&Stub::ListVerifications, list), ElementsAre("page_size", "task_id"));
  v1::GetVerificationRequest get;
  get.set_generation(-1);
  EXPECT_THAT(Faults(&Stub::GetVerification, get), ElementsAre("task_id", "generation"));
  v1::SetPolicyRequest set;
  EXPECT_THAT(Faults(&Stub::SetPolicy, set), ElementsAre("policy"));
  set.mutable_policy()->add_required_checks("x");
  set.mutable_policy()->set_least_confidence(2);
  EXPECT_THAT(Faults(&Stub::SetPolicy, set), ElementsAre("policy.required_checks[0]", "policy.least_confidence"));
  v1::RecordOutcomeRequest outcome;
  outcome.set_note(std::string(2'000, 'x'));
  EXPECT_THAT(Faults(&Stub::RecordOutcome, outcome), ElementsAre("task_id", "kind", "note"));
  v1::GetCalibrationRequest calibration;
  calibration.mutable_window()->set_seconds(-1);
  EXPECT_THAT(Faults(&Stub::GetCalibration, calibration), ElementsAre("window"));
}

}  // namespace
}  // namespace switchyard::verification
