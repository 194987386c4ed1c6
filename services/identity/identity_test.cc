#include "services/identity/identity.h"

#include <sys/stat.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/identity/bootstrap.h"
#include "services/identity/in_memory_identity_store.h"

namespace switchyard::identity {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::SizeIs;

class IdentityTest : public ::testing::Test {
 protected:
  IssueRequest Request(std::string name = "reader", Scopes scopes = {Scope::kRead}) {
    return {.requester = {.id = "p-1", .name = "admin"},
            .request_id = "",
            .name = std::move(name),
            .scopes = scopes,
            .lifetime = absl::Hours(1)};
  }
  IssuedToken Issue(const IssueRequest& request) {
    absl::StatusOr<IssuedToken> issued = identity_.Issue(request);
    EXPECT_THAT(issued, IsOk());
    return issued.ok() ? *issued : IssuedToken{};
  }
  static std::vector<std::string> Fields(const absl::Status& status) {
    std::vector<std::string> fields;
    for (const FieldViolation& v : DetailsOf(status).violations) fields.push_back(v.field);
    return fields;
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  InMemoryIdentityStore store_;
  UseRecorder uses_{store_, clock_, absl::Minutes(1)};
  Identity identity_{store_, uses_, clock_, ids_, {.max_tokens = 3}};
};

TEST_F(IdentityTest, IssuesATokenThatVerifies) {
  const IssuedToken issued = Issue(Request("builder", {Scope::kSubmit, Scope::kRead}));
  EXPECT_TRUE(LooksLikeToken(issued.text));
  EXPECT_EQ(issued.token.created_by, "admin");
  EXPECT_EQ(issued.token.expire_time, clock_.Now() + absl::Hours(1));
  EXPECT_EQ(issued.token.principal.uuid(), issued.token.id.uuid());
  EXPECT_THAT(identity_.Verify(issued.text), IsOkAndHolds(issued.token));
}

TEST_F(IdentityTest, NeverIssuesTheSameTextTwice) { EXPECT_NE(Issue(Request()).text, Issue(Request()).text); }

TEST_F(IdentityTest, UsesTheDefaultLifetimeWhenNoneIsNamed) {
  IssueRequest request = Request();
  request.lifetime.reset();
  EXPECT_EQ(Issue(request).token.expire_time, clock_.Now() + absl::Hours(24 * 90));
}

TEST_F(IdentityTest, ReportsAllFaultsOfARequestAtOnce) {
  IssueRequest request = Request("Not A Name", {});
  request.lifetime = absl::Hours(24 * 366);
  request.request_id = std::string(129, 'x');
  EXPECT_THAT(Fields(identity_.Issue(request).status()), ElementsAre("request_id", "name", "scopes", "lifetime"));
}

TEST_F(IdentityTest, RefusesNamesLifetimesAndScopesThatMakeNoSense) {
  for (const char* name : {"", "-x", "A", "a b", "a/b", "\xff"}) {
    EXPECT_THAT(identity_.Issue(Request(name)), IsError("INVALID_FIELD")) << name;
  }
  for (const absl::Duration lifetime :
       {-absl::Hours(1), absl::ZeroDuration(), absl::Seconds(59), absl::InfiniteDuration()}) {
    IssueRequest request = Request();
    request.lifetime = lifetime;
    EXPECT_THAT(identity_.Issue(request), IsError("INVALID_FIELD")) << lifetime;
  }
  EXPECT_THAT(identity_.Issue(Request("x", {Scope::kAgent, Scope::kRead})), IsError("INVALID_FIELD"));
  EXPECT_THAT(identity_.Issue(Request("x", {Scope::kAgent})), IsOk());
}

TEST_F(IdentityTest, AnswersARepeatedRequestWithTheRecordButNotTheText) {
  IssueRequest request = Request();
  request.request_id = "once";
  const IssuedToken first = Issue(request);
  clock_.Advance(absl::Seconds(5));
  const IssuedToken again = Issue(request);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.text, "");
  EXPECT_EQ(again.token, first.token);
  request.name = "other";
  EXPECT_THAT(identity_.Issue(request), IsError("REQUEST_ID_REUSED"));
}

TEST_F(IdentityTest, BoundsTheNumberOfLiveTokens) {
  for (int i = 0; i < 3; ++i) Issue(Request());
  EXPECT_THAT(identity_.Issue(Request()), IsError("TOO_MANY_TOKENS"));
}

TEST_F(IdentityTest, VerifiesNothingThatIsNotALiveToken) {
  const IssuedToken issued = Issue(Request());
  std::string changed = issued.text;
  changed.back() = changed.back() == 'a' ? 'b' : 'a';
  for (const std::string& text :
       {std::string(), std::string("x"), changed, issued.text + "x", "Bearer " + issued.text}) {
    EXPECT_THAT(identity_.Verify(text), IsError("TOKEN_UNKNOWN")) << text;
  }
  clock_.Advance(absl::Hours(1) - absl::Microseconds(1));
  EXPECT_THAT(identity_.Verify(issued.text), IsOk());
  clock_.Advance(absl::Microseconds(1));
  EXPECT_THAT(identity_.Verify(issued.text), IsError("TOKEN_UNKNOWN"));
}

TEST_F(IdentityTest, RevokesAtOnceAndForGood) {
  const IssuedToken issued = Issue(Request());
  EXPECT_THAT(identity_.Revoke(issued.token.id, "lost", false), IsOk());
  EXPECT_THAT(identity_.Verify(issued.text), IsError("TOKEN_UNKNOWN"));
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(identity_.Revoke(issued.token.id, "again", false), IsOkAndHolds(Field(&Token::revoke_reason, "lost")));
  EXPECT_THAT(identity_.Revoke(issued.token.id, std::string(257, 'x'), false), IsError("INVALID_FIELD"));
  EXPECT_THAT(identity_.Revoke(issued.token.id, "a\nb", false), IsError("INVALID_FIELD"));
}

TEST_F(IdentityTest, KeepsTheLastAdministratorUnlessTold) {
  const IssuedToken admin = Issue(Request("root", {Scope::kAdmin}));
  EXPECT_THAT(identity_.Revoke(admin.token.id, "", false), IsError("LAST_ADMIN_TOKEN"));
  EXPECT_THAT(identity_.Verify(admin.text), IsOk());
  EXPECT_THAT(identity_.Revoke(admin.token.id, "", true), IsOk());
}

TEST_F(IdentityTest, RotatesWithAGraceForTheOldText) {
  const IssuedToken old = Issue(Request("builder", {Scope::kSubmit}));
  SY_ASSERT_OK_AND_ASSIGN(const RotatedToken rotated, identity_.Rotate({.requester = {.id = "p-1", .name = "admin"},
                                                                        .request_id = "r",
                                                                        .id = old.token.id,
                                                                        .grace = absl::Minutes(5)}));
  const Token& token = rotated.issued.token;
  EXPECT_EQ(token.name, "builder");
  EXPECT_EQ(token.scopes, old.token.scopes);
  EXPECT_EQ(token.principal, old.token.principal);
  EXPECT_EQ(token.expire_time - token.create_time, absl::Hours(1));
  EXPECT_THAT(identity_.Verify(old.text), IsOk());
  clock_.Advance(absl::Minutes(5));
  EXPECT_THAT(identity_.Verify(old.text), IsError("TOKEN_UNKNOWN"));
  EXPECT_THAT(identity_.Verify(rotated.issued.text), IsOk());
}

TEST_F(IdentityTest, ATokenInItsGraceIsRotatedToItsOriginalLifetime) {
  const IssuedToken issued = Issue(Request());
  const RotateRequest request = {
      .requester = {.id = "p-1", .name = "admin"}, .request_id = "", .id = issued.token.id, .grace = absl::Minutes(2)};
  for (int i = 0; i < 2; ++i) {
    SY_ASSERT_OK_AND_ASSIGN(const RotatedToken rotated, identity_.Rotate(request));
    EXPECT_EQ(rotated.issued.token.expire_time, clock_.Now() + absl::Hours(1));
    EXPECT_EQ(rotated.old.expire_time, issued.token.create_time + absl::Minutes(2));
    clock_.Advance(absl::Minutes(1));
  }
}

TEST_F(IdentityTest, AnswersARepeatedRotationWithoutText) {
  const IssuedToken old = Issue(Request());
  const RotateRequest request = {.requester = {.id = "p-1", .name = "admin"},
                                 .request_id = "r",
                                 .id = old.token.id,
                                 .grace = absl::ZeroDuration()};
  SY_ASSERT_OK_AND_ASSIGN(const RotatedToken first, identity_.Rotate(request));
  clock_.Advance(absl::Seconds(1));
  SY_ASSERT_OK_AND_ASSIGN(const RotatedToken again, identity_.Rotate(request));
  EXPECT_TRUE(again.issued.replayed);
  EXPECT_EQ(again.issued.text, "");
  EXPECT_EQ(again.issued.token, first.issued.token);
  RotateRequest other = request;
  other.request_id = "s";
  EXPECT_THAT(identity_.Rotate(other), IsError("TOKEN_NOT_LIVE"));
  other.grace = absl::Hours(24 * 8);
  EXPECT_THAT(identity_.Rotate(other), IsError("INVALID_FIELD"));
  other.id = TokenId(Uuid::LowestAt(clock_.Now()));
  other.grace.reset();
  EXPECT_THAT(identity_.Rotate(other), IsError("TOKEN_NOT_FOUND"));
}

TEST_F(IdentityTest, ListsPagesUntilTheEnd) {
  for (const char* name : {"a", "b", "c"}) Issue(Request(name));
  SY_ASSERT_OK_AND_ASSIGN(TokenPage page, identity_.List({.page_size = 2}));
  EXPECT_THAT(page.tokens, ElementsAre(Field(&Token::name, "c"), Field(&Token::name, "b")));
  SY_ASSERT_OK_AND_ASSIGN(page, identity_.List({.page_size = 2, .page_token = page.next_page_token}));
  EXPECT_THAT(page.tokens, ElementsAre(Field(&Token::name, "a")));
  EXPECT_EQ(page.next_page_token, "");
  EXPECT_THAT(identity_.List({.page_size = 501}), IsError("INVALID_FIELD"));
  EXPECT_THAT(identity_.List({.page_token = "x"}), IsError("INVALID_FIELD"));
}

TEST_F(IdentityTest, ListsEndedTokensOnlyWhenAsked) {
  Issue(Request());
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(identity_.List({})->tokens, SizeIs(0));
  EXPECT_THAT(identity_.List({.include_ended = true})->tokens, SizeIs(1));
}

TEST_F(IdentityTest, RecordsUsesAtMostOncePerInterval) {
  const IssuedToken issued = Issue(Request());
  SY_ASSERT_OK(identity_.Verify(issued.text));
  SY_ASSERT_OK(identity_.Verify(issued.text));
  EXPECT_THAT(uses_.Tick(), IsOkAndHolds(1));
  EXPECT_EQ(store_.Find(issued.token.id)->last_used_time, clock_.Now());
  clock_.Advance(absl::Seconds(59));
  SY_ASSERT_OK(identity_.Verify(issued.text));
  EXPECT_THAT(uses_.Tick(), IsOkAndHolds(0));
  clock_.Advance(absl::Seconds(1));
  SY_ASSERT_OK(identity_.Verify(issued.text));
  EXPECT_THAT(uses_.Tick(), IsOkAndHolds(1));
}

TEST_F(IdentityTest, KeepsUsesThatCouldNotBeWritten) {
  const IssuedToken issued = Issue(Request());
  SY_ASSERT_OK(identity_.Verify(issued.text));
  store_.FailWith(absl::UnavailableError("away"));
  EXPECT_FALSE(uses_.Tick().ok());
  EXPECT_EQ(uses_.pending(), 1u);
  store_.FailWith(absl::OkStatus());
  EXPECT_THAT(uses_.Tick(), IsOkAndHolds(1));
}

TEST_F(IdentityTest, BoundsTheUsesThatWait) {
  for (std::uint64_t i = 0; i < UseRecorder::kMaxPending + 5; ++i) {
    uses_.Note(TokenId(testing::FakeUuid(clock_.Now(), i)), clock_.Now());
  }
  EXPECT_EQ(uses_.pending(), UseRecorder::kMaxPending);
}

class BootstrapTest : public IdentityTest {
 protected:
  absl::StatusOr<Token> ToFile() { return IssueTokenToFile(identity_, "admin", {Scope::kAdmin}, std::nullopt, path_); }

  testing::TempDir dir_;
  const std::string path_ = dir_.File("admin.token");
};

TEST_F(BootstrapTest, WritesAPrivateFileWithALiveToken) {
  SY_ASSERT_OK_AND_ASSIGN(const Token token, ToFile());
  std::string text;
  std::getline(std::ifstream(path_), text);
  EXPECT_THAT(identity_.Verify(text), IsOkAndHolds(token));
  EXPECT_EQ(token.created_by, "bootstrap");
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(BootstrapTest, MakesNoTokenWhenTheFileIsThere) {
  dir_.Write("admin.token", "mine");
  EXPECT_THAT(ToFile(), IsError("FILE_EXISTS"));
  EXPECT_THAT(identity_.List({.include_ended = true})->tokens, SizeIs(0));
}

TEST(TokenTest, KnowsItsScopesByName) {
  for (const char* name : {"admin", "submit", "read", "service", "agent"}) EXPECT_EQ(NameOf(*ParseScope(name)), name);
  EXPECT_FALSE(ParseScope("root").ok());
  const Scopes scopes = {Scope::kAgent, Scope::kAdmin};
  EXPECT_EQ(Scopes::FromBits(scopes.bits() | 1u << 20), scopes);
  EXPECT_THAT(scopes.List(), ElementsAre(Scope::kAdmin, Scope::kAgent));
}

}  // namespace
}  // namespace switchyard::identity
