#include "services/executor/checks/secret_scan.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"

namespace switchyard::executor::checks {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string Token(char fill = 'A') { return std::string("ghp_") + std::string(35, fill) + "7"; }
std::string Key() {
  return "-----BEGIN RSA PRIVATE" + std::string(" KEY-----\n") + std::string(64, 'M') + "\n" + std::string(64, 'x') +
         "\n-----END RSA PRIVATE" + " KEY-----\n";
}

std::vector<std::string> Kinds(const std::string& text) {
  std::vector<std::string> kinds;
  for (const FoundSecret& secret : FindSecrets(text)) kinds.emplace_back(secret.kind);
  return kinds;
}

TEST(FindSecretsTest, FindsWhatIsOne) {
  for (const auto& [text, kind] : std::vector<std::pair<std::string, std::string>>{
           {"x = " + Token(), "a token"},
           {"url: https://user:Kx93mq7Pz@host/", "a password in a URL"},
           {Key(), "a private key"},
           {"password = \"Kx93mq7Pz\"", "the value of a key that names a secret"},
           {"{\"api_key\": \"Kx93mq7Pzw21\"}", "the value of a key that names a secret"},
           {"DB_PASSWORD=Kx93mq7Pz", "the value of a key that names a secret"},
           {"DB_PASSWORD=Kx93mq7Pz\nNEXT=1\n", "the value of a key that names a secret"},
           {"secret: Kx93mq7Pzw21\n", "the value of a key that names a secret"}}) {
    EXPECT_THAT(Kinds(text), ElementsAre(kind)) << text;
  }
}

TEST(FindSecretsTest, CodeAndTalkAboutSecretsIsNone) {
  for (const std::string& text :
       std::vector<std::string>{"password = os.environ[\"PASSWORD\"]", "self.token = token",
                                "def login(user, password=None):", "api_key: ${API_KEY}", "password: \"changeme1234\"",
                                "token = \"<your-token-1>\"", "secret: {{ secret_1 }}", "password = getpass2()",
                                "if token == other_token2:", "password: example-4711", "PASSWORD=\n",
                                "token = compute_token_v2x", "authenticate(user, token=user.token2, retry=3)",
                                "\"-----BEGIN RSA PRIVATE\" + \" KEY-----\" is what it begins with",
                                "A file with -----BEGIN RSA PRIVATE KEY----- at its top is a key.",
                                "https://user:pass@host", "https://$USER:$PASSWORD@host"}) {
    EXPECT_THAT(Kinds(text), IsEmpty()) << text;
  }
}

TEST(FindSecretsTest, SeveralInOneTextAreToldApart) {
  const std::string text =
      "a " + Token('A') + " b " + Token('B') + "\npassword = \"Kx93mq7Pz\"\n" + Key() + "c " + Token('C');
  const std::vector<FoundSecret> found = FindSecrets(text);
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found[0].value, Token('A'));
  EXPECT_EQ(found[1].value, Token('B'));
  EXPECT_EQ(found[2].value, "Kx93mq7Pz");
  EXPECT_EQ(found[4].value, Token('C'));
  for (const FoundSecret& secret : found) EXPECT_EQ(text.substr(secret.offset, secret.value.size()), secret.value);
}

TEST(FindSecretsTest, ABareHeaderHidesNothingBehindIt) {
  EXPECT_THAT(Kinds("-----BEGIN PRIVATE KEY-----\nsome words of a text that is no key at all\n" + Token()),
              ElementsAre("a token"));
}

TEST(FindSecretsTest, TextThatLooksLikeTheMarkIsNoTrap) {
  EXPECT_THAT(Kinds("[redacted] [re [redacted] password = \"[redKx93mq7Pz\" " + Token()),
              ::testing::Contains("a token"));
  EXPECT_THAT(Kinds("[redacted]"), IsEmpty());
}

TEST(SecretScannerTest, FindsSecretsWhereverTextIsCut) {
  std::string text;
  std::vector<std::uint64_t> lines;
  std::uint64_t line = 1;
  while (text.size() < 3 * SecretScanner::kWindow) {
    for (int i = 0; i < 40; ++i, ++line) text += std::string(60 + text.size() % 7, 'w') + "\n";
    text += "x = " + Token(static_cast<char>('A' + lines.size() % 26)) + "\n";
    lines.push_back(line++);
  }
  for (const std::size_t piece : {std::size_t{997}, std::size_t{1} << 16, std::size_t{3} << 20}) {
    std::vector<std::uint64_t> heard;
    SecretScanner scanner([&](const FoundSecret&, std::uint64_t at) { heard.push_back(at); });
    for (std::size_t at = 0; at < text.size(); at += piece) scanner.Push(std::string_view(text).substr(at, piece));
    scanner.Finish();
    EXPECT_EQ(heard, lines) << piece;
  }
}

TEST(SecretScannerTest, FindsSecretsInOneEndlessLine) {
  std::vector<std::pair<std::string, std::uint64_t>> heard;
  SecretScanner scanner(
      [&](const FoundSecret& secret, std::uint64_t line) { heard.emplace_back(std::string(secret.kind), line); });
  for (int i = 0; i < 3; ++i) {
    scanner.Push(std::string(SecretScanner::kWindow - 10, ' '));
    scanner.Push(Token());
  }
  scanner.Finish();
  EXPECT_THAT(heard, ElementsAre(Pair("a token", 1u), Pair("a token", 1u), Pair("a token", 1u)));
}

TEST(SecretScannerTest, AnyBytesAreTakenInLinearTime) {
  std::size_t heard = 0;
  SecretScanner scanner([&](const FoundSecret&, std::uint64_t) { ++heard; });
  std::string binary;
  for (int i = 0; i < (1 << 20); ++i) binary += static_cast<char>(i * 31 >> 3);
  scanner.Push(binary);
  std::string headers;
  while (headers.size() < (std::size_t{2} << 20)) headers += "-----BEGIN RSA PRIVATE KEY-----";
  scanner.Push(headers);
  std::string keys;
  while (keys.size() < (std::size_t{2} << 20)) keys += "token=aaaa7aaaaaaaaa ";
  scanner.Push(keys);
  scanner.Finish();
  SUCCEED() << heard;
}

}  // namespace
}  // namespace switchyard::executor::checks
