#include "libs/base/hex.h"

#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;

TEST(HexTest, EveryByteComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_THAT(FromHex(ToHex(bytes)), IsOkAndHolds(bytes));
  EXPECT_EQ(ToHex(std::string_view("\x00\xff\x1a", 3)), "00ff1a");
}

TEST(HexTest, ReadsBothCases) { EXPECT_THAT(FromHex("aBcD"), IsOkAndHolds("\xAB\xCD")); }

TEST(HexTest, RefusesWhatIsNoHex) {
  for (const char* bad : {"a", "abc", "gg", "0x", "a ", "\xff\xff"}) {
    EXPECT_THAT(FromHex(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

}  // namespace
}  // namespace switchyard
