#include "libs/text/redact.h"

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

// Put together here, so that scanners of repositories do not take the examples for leaks.
std::string Fake(std::string_view prefix, std::size_t length) {
  std::string out(prefix);
  for (std::size_t i = 0; i < length; ++i) out += "aB3dE5gH"[i % 8];
  return out;
}
std::string Aws() { return absl::StrCat("AKIA", "IOSFODNN7EXAMPLE"); }
std::string Jwt() { return "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + std::string("c2lnbmF0dXJl"); }
std::string Pem(std::string_view kind) {
  return "-----BEGIN " + std::string(kind) + "-----\nMIIEpAIBAAKCAQEA\nabc+/=\n-----END " + std::string(kind) + "-----";
}

TEST(RedactTest, HidesKnownTokensWhereverTheyStand) {
  const std::string tokens[] = {Fake("sy_", 43),
                                Fake("sk-", 40),
                                Fake("sk-ant-api03-", 60),
                                Fake("ghp_", 36),
                                Fake("gho_", 36),
                                Fake("glpat-", 20),
                                Fake("hf_", 34),
                                Fake("github_pat_", 60),
                                Fake("xoxb-12-", 30),
                                Jwt(),
                                Aws(),
                                Fake("npm_", 36),
                                "sy_" + std::string(40, 'a')};
  for (const std::string& token : tokens) {
    EXPECT_EQ(Redact(token), "[redacted]");
    EXPECT_EQ(Redact("see " + token + ", then"), "see [redacted], then");
    EXPECT_EQ(Redact("\"" + token + "\""), "\"[redacted]\"");
    EXPECT_EQ(Redact("line\\n" + token + "\\n").find(token), std::string::npos) << token;
    EXPECT_EQ(Redact("https://host/" + token + "/x"), "https://host/[redacted]/x");
  }
}

TEST(RedactTest, HidesHeaders) {
  const std::pair<std::string, std::string> cases[] = {
      {"Authorization: Bearer abc", "Authorization: [redacted]"},
      {"authorization: Basic dXNlcjpwYXNz\r\nHost: x", "authorization: [redacted]\r\nHost: x"},
      {"curl -H 'Authorization: token abc' https://x", "curl -H 'Authorization: [redacted]' https://x"},
      {"curl -H \"Authorization: Digest username=a, response=b\" x", "curl -H \"Authorization: [redacted]\" x"},
      {"Authorization: AWS4-HMAC-SHA256 Credential=a, Signature=b\nx", "Authorization: [redacted]\nx"},
      {R"({"authorization": "Bearer abc", "a": 1})", R"({"authorization": "[redacted]", "a": 1})"},
      {"Proxy-Authorization: Basic abc", "Proxy-Authorization: [redacted]"},
      {"sent Bearer abcd1234efgh to host", "sent Bearer [redacted] to host"},
      {"Cookie: session=abc; other=def\nHost: x", "Cookie: [redacted]\nHost: x"},
      {"Set-Cookie: session=abc; Path=/", "Set-Cookie: [redacted]"},
      {"X-Api-Key: abc", "X-Api-Key: [redacted]"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Redact(text), expected);
}

TEST(RedactTest, HidesKeyedValues) {
  const std::pair<std::string, std::string> cases[] = {
      {"password=hunter2 next", "password=[redacted] next"},
      {"DB_PASSWORD=hunter2\nPATH=/bin", "DB_PASSWORD=[redacted]\nPATH=/bin"},
      {"PGPASSWORD='a b' psql", "PGPASSWORD='[redacted]' psql"},
      {R"({"api_key": "abc\"def", "n": 1})", R"({"api_key": "[redacted]", "n": 1})"},
      {R"("{\"password\": \"hunter2\", \"a\": 1}")", R"("{\"password\": \"[redacted]\", \"a\": 1}")"},
      {"token: abcdef", "token: [redacted]"},
      {"accessToken: 'abc'", "accessToken: '[redacted]'"},
      {"aws_secret_access_key = abc/def+ghi", "aws_secret_access_key = [redacted]"},
      {"GET /x?token=abc&page=2", "GET /x?token=[redacted]&page=2"},
      {"GET /x?page=2&api_key=abc#top", "GET /x?page=2&api_key=[redacted]#top"},
      {"tool --password hunter2 --verbose", "tool --password [redacted] --verbose"},
      {"tool --api-key=abc -v", "tool --api-key=[redacted] -v"},
      {"client_secret := \"abc\"", "client_secret := \"[redacted]\""},
      {"'password' => 'abc',", "'password' => '[redacted]',"},
      {"os.environ['SECRET'] = b'abc'", "os.environ['SECRET'] = b'[redacted]'"},
      {"host=x password=a;b", "host=x password=[redacted];b"},
      {"passwd: hunter2", "passwd: [redacted]"},
      {"password: \"never closed\nnext", "password: \"[redacted]\nnext"},
      {"credentials: bearer abc", "credentials: [redacted]"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Redact(text), expected);
}

TEST(RedactTest, HidesPasswordsInUrls) {
  EXPECT_EQ(Redact("postgres://me:hunter2@db:5432/x"), "postgres://me:[redacted]@db:5432/x");
  EXPECT_EQ(Redact("https://u:p@ss@host/"), "https://u:[redacted]@host/");
  EXPECT_EQ(Redact("redis://:pw@host"), "redis://:[redacted]@host");
  EXPECT_EQ(Redact("https://" + std::string(24, 'k') + "@host/"), "https://[redacted]@host/");
}

TEST(RedactTest, HidesPrivateKeys) {
  for (const char* kind : {"PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"}) {
    EXPECT_EQ(Redact("a\n" + Pem(kind) + "\nb"), "a\n[redacted]\nb");
  }
  EXPECT_EQ(Redact(Pem("CERTIFICATE")), Pem("CERTIFICATE"));
  const std::string open = Pem("RSA PRIVATE KEY").substr(0, 50);
  EXPECT_EQ(Redact(open), "[redacted]");
  EXPECT_EQ(Redact(open + "\n" + Pem("RSA PRIVATE KEY") + "\nb"), "[redacted]\nb");
  EXPECT_EQ(Redact(open + std::string(40'000, 'x') + "tail").substr(0, 11), "[redacted]x");
}

TEST(RedactTest, LeavesOrdinaryTextAlone) {
  for (const char* text : {"",
                           "nothing to see",
                           "task-queue started",
                           "token_count: 5",
                           "max_token=100",
                           "use password authentication",
                           "git@github.com:a/b.git",
                           "ssh://git@host/x",
                           "https://host:8080/a@b",
                           "PWD=/home/me",
                           "password == other",
                           "Token::kEnd",
                           "secrets/db",
                           "risk-averse",
                           "desk-1234567890123456789",
                           "unexpected token: expired at noon",
                           "bearer authentication failed",
                           "sy_proto_library(x)",
                           "sk-short",
                           "\"password\": \"\"",
                           "password: null",
                           "key: value",
                           "monkey=banana",
                           "/etc/passwd: not found",
                           "0190abcd-ef01-7234-8567-89abcdef0123",
                           "eyJ is how JSON begins",
                           "password:",
                           "token"}) {
    EXPECT_EQ(Redact(text), text);
  }
}

TEST(RedactTest, NamesSecretKnowsKeys) {
  for (const char* name :
       {"password", "db_password", "X-Api-Key", "authorization", "cookie", "client_secret", "token"}) {
    EXPECT_TRUE(NamesSecret(name)) << name;
  }
  for (const char* name : {"", "key", "task_id", "tokens", "error", "PWD"}) EXPECT_FALSE(NamesSecret(name)) << name;
}

// Pieces that meet in every way, with and without secrets in them.
std::string RandomText(std::mt19937_64& rng, std::size_t pieces) {
  static const auto& kPieces = *new std::vector<std::string>{Fake("sy_", 43),
                                                             Fake("sk-", 20),
                                                             Fake("ghp_", 36),
                                                             Jwt(),
                                                             Aws(),
                                                             Pem("RSA PRIVATE KEY"),
                                                             "-----BEGIN RSA PRIVATE KEY-----",
                                                             "-----END RSA PRIVATE KEY-----",
                                                             "-----",
                                                             "password",
                                                             "token",
                                                             "api_key",
                                                             "Authorization",
                                                             "Cookie",
                                                             "Bearer ",
                                                             "Digest ",
                                                             "=",
                                                             ": ",
                                                             ":",
                                                             "\"",
                                                             "'",
                                                             "\\\"",
                                                             "\\",
                                                             "\n",
                                                             " ",
                                                             "&",
                                                             "?",
                                                             "--",
                                                             "://",
                                                             "user:pw@",
                                                             "@",
                                                             "/",
                                                             ",",
                                                             "hunter2",
                                                             "abcdef",
                                                             "12345",
                                                             "true",
                                                             "[redacted]",
                                                             "\xC3\xBC",
                                                             "\xFF",
                                                             "b'",
                                                             "]",
                                                             "eyJ",
                                                             ".",
                                                             "\\n",
                                                             "sk-",
                                                             "xoxb-",
                                                             std::string("\0", 1)};
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) text += kPieces[rng() % kPieces.size()];
  return text;
}

TEST(StreamingRedactorTest, CutsDoNotMatter) {
  std::mt19937_64 rng(20260101);
  for (int round = 0; round < 4000; ++round) {
    const std::string text = RandomText(rng, 1 + rng() % 25);
    const std::size_t longest = 1 + rng() % 40;
    StreamingRedactor stream;
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t length = std::min<std::size_t>(1 + rng() % longest, text.size() - i);
      out += stream.Push(std::string_view(text).substr(i, length));
      i += length;
    }
    out += stream.Finish();
    ASSERT_EQ(out, Redact(text)) << "round " << round << ": " << text;
  }
}

TEST(RedactTest, TwiceChangesNothingMore) {
  for (const std::string& text :
       {"password=" + Fake("sk-", 30), std::string("{\"token\": \"abc\"}"), "Authorization: Bearer " + Fake("sy_", 43),
        Pem("PRIVATE KEY"), std::string("https://u:p@h/?token=abc&x"), std::string("Cookie: a=b; c=d")}) {
    const std::string once = Redact(text);
    EXPECT_EQ(Redact(once), once) << text;
  }
}

TEST(RedactTest, KeepsValidUtf8Valid) {
  std::mt19937_64 rng(7);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = ReplaceInvalidUtf8(RandomText(rng, 20));
    ASSERT_TRUE(IsValidUtf8(Redact(text))) << text;
  }
}

TEST(StreamingRedactorTest, ShowsWhatIsDecided) {
  StreamingRedactor stream;
  EXPECT_EQ(stream.Push("hello world\npass"), "hello world\n");
  EXPECT_EQ(stream.Push("word=hun"), "");
  EXPECT_EQ(stream.Push("ter2 done\n"), "password=[redacted] done\n");
  EXPECT_EQ(stream.held(), 0u);
}

TEST(StreamingRedactorTest, HoldsBackABoundedAmount) {
  for (const std::string& text : {std::string(100'000, 'a'), "password=\"" + std::string(100'000, 'b'),
                                  "token=" + std::string(100'000, '7') + " x", std::string(100'000, '\\')}) {
    StreamingRedactor stream;
    std::size_t out = 0;
    for (std::size_t i = 0; i < text.size(); i += 1000) {
      out += stream.Push(std::string_view(text).substr(i, 1000)).size();
      ASSERT_LE(stream.held(), StreamingRedactor::kMaxHold);
    }
    out += stream.Finish().size();
    EXPECT_GT(out, 0u);
  }
}

TEST(StreamingRedactorTest, HidesASecretLongerThanItHolds) {
  const std::string secret(50'000, 'b');
  StreamingRedactor stream;
  std::string out = stream.Push("password=\"");
  for (std::size_t i = 0; i < secret.size(); i += 1000) out += stream.Push(std::string_view(secret).substr(i, 1000));
  out += stream.Push("\" after");
  out += stream.Finish();
  EXPECT_EQ(out, "password=\"[redacted]\" after");
}

TEST(StreamingRedactorTest, CanBeUsedAgainOnceFinished) {
  StreamingRedactor stream;
  EXPECT_EQ(stream.Push("-----BEGIN RSA PRIVATE KEY-----\nabc"), "[redacted]");
  EXPECT_EQ(stream.Finish(), "");
  EXPECT_EQ(stream.Push("plain "), "plain ");
  EXPECT_EQ(stream.Finish(), "");
}

}  // namespace
}  // namespace switchyard::text
