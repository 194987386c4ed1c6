#include "libs/config/value.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::config {
namespace {

TEST(DurationTextTest, ReadsDaysAndWhatAbseilReads) {
  EXPECT_EQ(*ParseDuration("30s"), absl::Seconds(30));
  EXPECT_EQ(*ParseDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*ParseDuration("7d"), absl::Hours(168));
  EXPECT_EQ(*ParseDuration("1d12h"), absl::Hours(36));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
}

TEST(DurationTextTest, RefusesWhatHasNoUnitOrNoEnd) {
  for (const char* text : {"", "5", "s", "d", "-1d", "1d-3h", "inf", "1.5d", "3 weeks", "99999999999d"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(DurationTextTest, WritesWhatItReads) {
  for (const char* text : {"0s", "30s", "1h30m", "250ms", "1d", "30d", "36h"}) {
    EXPECT_EQ(DurationText(*ParseDuration(text)), *ParseDuration(text) == absl::Hours(36) ? "36h" : text);
  }
}

TEST(SizeTextTest, KnowsPowersOfTwoAndOfTen) {
  EXPECT_EQ(*ParseBytes("4MiB"), 4u << 20);
  EXPECT_EQ(*ParseBytes("4MB"), 4'000'000u);
  EXPECT_EQ(*ParseBytes("17"), 17u);
  EXPECT_EQ(*ParseBytes("8B"), 8u);
  EXPECT_EQ(FormatBytes(4u << 20), "4MiB");
  EXPECT_EQ(FormatBytes(1'500), "1500");
  EXPECT_EQ(FormatBytes(0), "0");
}

TEST(SizeTextTest, RefusesSignsFractionsAndOverflow) {
  for (const char* text : {"", "MiB", "-1", "+1", "1.5GiB", "4 MiB", "17000000TiB", "4mib"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
}

TEST(SecretRefTest, RefusesALiteralWithoutRepeatingIt) {
  EXPECT_TRUE(CheckSecretRef("").ok());
  EXPECT_TRUE(CheckSecretRef("env:PASSWORD").ok());
  EXPECT_TRUE(CheckSecretRef("file:/run/secrets/password").ok());
  for (const char* text : {"hunter2", "env:", "file:", "vault:x"}) {
    const absl::Status status = CheckSecretRef(text);
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_THAT(std::string(status.message()), ::testing::Not(::testing::HasSubstr("hunter2")));
  }
}

TEST(EnumTextTest, DropsThePrefixOfTheType) {
  EXPECT_EQ(ShortEnumName("LogLevel", "LOG_LEVEL_INFO"), "info");
  EXPECT_EQ(ShortEnumName("SslMode", "SSL_MODE_VERIFY_FULL"), "verify_full");
}

}  // namespace
}  // namespace switchyard::config
