#include "libs/text/suggest.h"

#include <vector>

#include "gtest/gtest.h"

namespace switchyard::text {
namespace {

TEST(EditDistanceTest, CountsEdits) {
  EXPECT_EQ(EditDistance("", "", 3), 0u);
  EXPECT_EQ(EditDistance("abc", "abc", 3), 0u);
  EXPECT_EQ(EditDistance("abc", "acb", 3), 1u);
  EXPECT_EQ(EditDistance("abc", "abxc", 3), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting", 9), 3u);
  EXPECT_EQ(EditDistance("abc", "xyz", 2), 3u);
  EXPECT_EQ(EditDistance("a", "abcdef", 2), 3u);
}

TEST(DidYouMeanTest, FindsTheLikelySlip) {
  const std::vector<std::string> names = {"listen_address", "database_url", "lease", "cancel"};
  EXPECT_EQ(DidYouMean("listen_adress", names), "listen_address");
  EXPECT_EQ(DidYouMean("laese", names), "lease");
  EXPECT_EQ(DidYouMean("CANCEL", names), "cancel");
  EXPECT_EQ(DidYouMean("databaseurl", names), "database_url");
}

TEST(DidYouMeanTest, KeepsSilentWhenNothingIsNear) {
  const std::vector<std::string_view> names = {"lease", "cancel"};
  EXPECT_EQ(DidYouMean("watch", names), "");
  EXPECT_EQ(DidYouMean("", names), "");
  EXPECT_EQ(DidYouMean(std::string(5000, 'a'), names), "");
  EXPECT_EQ(DidYouMean("x", std::vector<std::string_view>{}), "");
}

TEST(DidYouMeanTest, TiesGoToTheEarlier) {
  EXPECT_EQ(DidYouMean("cat", std::vector<std::string_view>{"bat", "hat"}), "bat");
  EXPECT_EQ(DidYouMean("cat", std::vector<std::string_view>{"bat", "cat"}), "cat");
}

}  // namespace
}  // namespace switchyard::text
