#include "services/identity/identity_store_contract.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::identity {

using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void PrintTo(const IdentityStoreParam& param, std::ostream* os) { *os << param.name; }

NewToken IdentityStoreContract::Make(int n, Scopes scopes) const {
  NewToken token;
  token.token.id = TokenId(FakeUuid(now_, static_cast<std::uint64_t>(n)));
  token.token.principal = PrincipalId(token.token.id.uuid());
  token.token.name = absl::StrCat("token-", n);
  token.token.scopes = scopes;
  token.token.create_time = now_;
  token.token.expire_time = now_ + absl::Hours(1);
  token.token.created_by = "test";
  token.hash = HashOfToken(absl::StrCat("text-", n));
  token.requester = "tester";
  token.content_hash = HashOfToken(absl::StrCat("content-", n));
  return token;
}

Token IdentityStoreContract::Insert(const NewToken& token) {
  const absl::StatusOr<InsertOutcome> outcome = store().Insert(token, kMany, now_);
  EXPECT_TRUE(outcome.ok() && outcome->kind == InsertOutcome::Kind::kInserted) << outcome.status();
  return token.token;
}

TEST_P(IdentityStoreContract, FindsWhatWasInserted) {
  const NewToken made = Make(1, {Scope::kAdmin, Scope::kService});
  Insert(made);
  EXPECT_THAT(store().Find(made.token.id), IsOkAndHolds(made.token));
  EXPECT_THAT(store().FindByHash(made.hash), IsOkAndHolds(made.token));
}

TEST_P(IdentityStoreContract, TellsWhatIsNotThere) {
  const NewToken other = Make(1);
  EXPECT_THAT(store().Find(other.token.id), IsError("TOKEN_NOT_FOUND"));
  EXPECT_THAT(store().FindByHash(other.hash), IsError("TOKEN_UNKNOWN"));
  EXPECT_THAT(store().Revoke(other.token.id, "", false, now_), IsError("TOKEN_NOT_FOUND"));
  NewToken successor = Make(2);
  successor.token.rotated_from = other.token.id;
  EXPECT_THAT(store().Rotate(successor, now_, now_), IsError("TOKEN_NOT_FOUND"));
}

TEST_P(IdentityStoreContract, AnswersARepeatedRequestWithTheFirstToken) {
  NewToken first = Make(1);
  first.request_id = "request";
  Insert(first);
  NewToken repeat = Make(2);
  repeat.request_id = "request";
  repeat.content_hash = first.content_hash;
  SY_ASSERT_OK_AND_ASSIGN(const InsertOutcome outcome, store().Insert(repeat, kMany, now_));
  EXPECT_EQ(outcome.kind, InsertOutcome::Kind::kReplayed);
  EXPECT_EQ(outcome.token, first.token);
  EXPECT_THAT(store().Find(repeat.token.id), IsError("TOKEN_NOT_FOUND"));
}

TEST_P(IdentityStoreContract, RefusesARequestIdWithOtherContent) {
  NewToken first = Make(1);
  first.request_id = "request";
  Insert(first);
  NewToken other = Make(2);
  other.request_id = "request";
  SY_ASSERT_OK_AND_ASSIGN(const InsertOutcome outcome, store().Insert(other, kMany, now_));
  EXPECT_EQ(outcome.kind, InsertOutcome::Kind::kRequestIdReused);
}

TEST_P(IdentityStoreContract, KeepsTheRequestIdsOfRequestersApart) {
  NewToken first = Make(1);
  first.request_id = "request";
  Insert(first);
  NewToken other = Make(2);
  other.request_id = "request";
  other.requester = "another";
  Insert(other);
}

TEST_P(IdentityStoreContract, BoundsTheNumberOfLiveTokens) {
  Insert(Make(1));
  const NewToken second = Make(2);
  SY_ASSERT_OK_AND_ASSIGN(InsertOutcome outcome, store().Insert(second, 1, now_));
  EXPECT_EQ(outcome.kind, InsertOutcome::Kind::kTooMany);
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Insert(second, 1, now_ + absl::Hours(1)));
  EXPECT_EQ(outcome.kind, InsertOutcome::Kind::kInserted);
}

TEST_P(IdentityStoreContract, RevokesOnceAndKeepsTheFirstReason) {
  const Token token = Insert(Make(1));
  SY_ASSERT_OK_AND_ASSIGN(RevokeOutcome outcome, store().Revoke(token.id, "lost", true, now_ + absl::Seconds(1)));
  EXPECT_EQ(outcome.kind, RevokeOutcome::Kind::kRevoked);
  EXPECT_EQ(outcome.token.revoke_time, now_ + absl::Seconds(1));
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Revoke(token.id, "again", true, now_ + absl::Seconds(2)));
  EXPECT_EQ(outcome.kind, RevokeOutcome::Kind::kAlreadyRevoked);
  EXPECT_EQ(outcome.token.revoke_time, now_ + absl::Seconds(1));
  EXPECT_EQ(outcome.token.revoke_reason, "lost");
  EXPECT_THAT(store().Find(token.id), IsOkAndHolds(outcome.token));
}

TEST_P(IdentityStoreContract, KeepsTheLastLiveAdministratorUnlessTold) {
  const Token first = Insert(Make(1, {Scope::kAdmin}));
  const Token second = Insert(Make(2, {Scope::kAdmin}));
  Insert(Make(3, {Scope::kRead}));
  SY_ASSERT_OK_AND_ASSIGN(RevokeOutcome outcome, store().Revoke(first.id, "", true, now_));
  EXPECT_EQ(outcome.kind, RevokeOutcome::Kind::kRevoked);
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Revoke(second.id, "", true, now_));
  EXPECT_EQ(outcome.kind, RevokeOutcome::Kind::kLastAdmin);
  EXPECT_FALSE(store().Find(second.id)->revoke_time.has_value());
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Revoke(second.id, "", false, now_));
  EXPECT_EQ(outcome.kind, RevokeOutcome::Kind::kRevoked);
}

TEST_P(IdentityStoreContract, NeverLetsTwoCallsRevokeTheLastTwoAdministrators) {
  const Token first = Insert(Make(1, {Scope::kAdmin}));
  const Token second = Insert(Make(2, {Scope::kAdmin}));
  std::vector<std::thread> threads;
  for (const Token& token : {first, second}) {
    threads.emplace_back([&, id = token.id] { store().Revoke(id, "", true, now_).IgnoreError(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(store().Find(first.id)->revoke_time.has_value(), store().Find(second.id)->revoke_time.has_value());
}

TEST_P(IdentityStoreContract, RotatesByStoringTheNewAndShorteningTheOld) {
  const Token old = Insert(Make(1));
  NewToken successor = Make(2);
  successor.token.principal = old.principal;
  successor.token.rotated_from = old.id;
  SY_ASSERT_OK_AND_ASSIGN(const RotateOutcome outcome, store().Rotate(successor, now_ + absl::Minutes(5), now_));
  EXPECT_EQ(outcome.kind, RotateOutcome::Kind::kRotated);
  EXPECT_EQ(outcome.rotated.expire_time, now_ + absl::Minutes(5));
  EXPECT_THAT(store().Find(old.id), IsOkAndHolds(outcome.rotated));
  EXPECT_THAT(store().FindByHash(successor.hash), IsOkAndHolds(successor.token));
}

TEST_P(IdentityStoreContract, NeverProlongsARotatedToken) {
  const Token old = Insert(Make(1));
  NewToken successor = Make(2);
  successor.token.rotated_from = old.id;
  SY_ASSERT_OK_AND_ASSIGN(const RotateOutcome outcome, store().Rotate(successor, now_ + absl::Hours(5), now_));
  EXPECT_EQ(outcome.rotated.expire_time, old.expire_time);
}

TEST_P(IdentityStoreContract, DoesNotRotateWhatHasEnded) {
  const Token old = Insert(Make(1));
  NewToken successor = Make(2);
  successor.token.rotated_from = old.id;
  SY_ASSERT_OK_AND_ASSIGN(const RotateOutcome outcome, store().Rotate(successor, now_, now_ + absl::Hours(1)));
  EXPECT_EQ(outcome.kind, RotateOutcome::Kind::kNotLive);
  EXPECT_THAT(store().Find(successor.token.id), IsError("TOKEN_NOT_FOUND"));
}

TEST_P(IdentityStoreContract, AnswersARepeatedRotationWithItsOutcome) {
  const Token old = Insert(Make(1));
  NewToken successor = Make(2);
  successor.token.rotated_from = old.id;
  successor.request_id = "rotate";
  SY_ASSERT_OK(store().Rotate(successor, now_, now_));
  NewToken repeat = Make(3);
  repeat.token.rotated_from = old.id;
  repeat.request_id = "rotate";
  repeat.content_hash = successor.content_hash;
  SY_ASSERT_OK_AND_ASSIGN(RotateOutcome outcome, store().Rotate(repeat, now_, now_ + absl::Seconds(1)));
  EXPECT_EQ(outcome.kind, RotateOutcome::Kind::kReplayed);
  EXPECT_EQ(outcome.token, successor.token);
  EXPECT_EQ(outcome.rotated.id, old.id);
  repeat.content_hash = HashOfToken("other");
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Rotate(repeat, now_, now_));
  EXPECT_EQ(outcome.kind, RotateOutcome::Kind::kRequestIdReused);
}

TEST_P(IdentityStoreContract, ListsNewestFirstByPages) {
  const Token a = Insert(Make(1));
  const Token b = Insert(Make(2));
  const Token c = Insert(Make(3));
  EXPECT_THAT(store().List({.before = std::nullopt, .limit = 2, .live_at = std::nullopt, .name = ""}),
              IsOkAndHolds(ElementsAre(c, b)));
  EXPECT_THAT(store().List({.before = b.id, .limit = 2, .live_at = std::nullopt, .name = ""}),
              IsOkAndHolds(ElementsAre(a)));
  EXPECT_THAT(store().List({.before = a.id, .limit = 2, .live_at = std::nullopt, .name = ""}), IsOkAndHolds(IsEmpty()));
}

TEST_P(IdentityStoreContract, ListsByNameAndLife) {
  const Token a = Insert(Make(1));
  const Token b = Insert(Make(2));
  SY_ASSERT_OK(store().Revoke(b.id, "", true, now_));
  EXPECT_THAT(store().List({.before = std::nullopt, .limit = 9, .live_at = now_, .name = ""}),
              IsOkAndHolds(ElementsAre(a)));
  EXPECT_THAT(store().List({.before = std::nullopt, .limit = 9, .live_at = now_ + absl::Hours(1), .name = ""}),
              IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store().List({.before = std::nullopt,
                            .limit = 9,
                            .live_at = std::nullopt,
                            .name = "",
                            .principal = PrincipalId(Make(2).token.id.uuid())}),
              IsOkAndHolds(SizeIs(1)));
  EXPECT_THAT(store().List({.before = std::nullopt, .limit = 9, .live_at = std::nullopt, .name = "token-2"}),
              IsOkAndHolds(SizeIs(1)));
}

TEST_P(IdentityStoreContract, MovesTimesOfUseForwardOnly) {
  const Token token = Insert(Make(1));
  const TokenId unknown = Make(9).token.id;
  SY_ASSERT_OK(store().Touch({{token.id, now_ + absl::Seconds(5)}, {unknown, now_}}));
  SY_ASSERT_OK(store().Touch({{token.id, now_ + absl::Seconds(3)}}));
  EXPECT_EQ(store().Find(token.id)->last_used_time, now_ + absl::Seconds(5));
}

}  // namespace switchyard::identity
