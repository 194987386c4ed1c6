#include "services/executor/shim_tree.h"

#include <set>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::set<pid_t> Below(ShimTree& tree, pid_t root) {
  std::set<pid_t> found;
  tree.ForEachBelow(root, [&](pid_t pid) { found.insert(pid); });
  return found;
}

TEST(ShimTreeTest, FindsChildrenAndTheirsInWhateverOrderTheyCome) {
  ShimTree tree;
  for (const auto& [pid, parent] : {std::pair{50, 10}, {7, 20}, {20, 50}, {10, 1}, {11, 1}, {12, 11}, {1, 0}}) {
    ASSERT_TRUE(tree.Add(pid, parent));
  }
  EXPECT_THAT(Below(tree, 10), ElementsAre(7, 20, 50));
  tree.Clear();
  EXPECT_THAT(Below(tree, 10), IsEmpty());
}

TEST(ShimTreeTest, AHostWithManyProcessesIsReadToItsEnd) {
  constexpr int kOthers = 100'000;
  ShimTree tree;
  for (pid_t pid = 100; pid < 100 + kOthers; ++pid) ASSERT_TRUE(tree.Add(pid, 1));
  ASSERT_TRUE(tree.Add(200'001, 77));
  ASSERT_TRUE(tree.Add(200'000, 200'001));
  ASSERT_TRUE(tree.Add(77, 1));
  EXPECT_EQ(tree.size(), kOthers + 3u);
  EXPECT_THAT(Below(tree, 77), ElementsAre(200'000, 200'001));
}

}  // namespace
}  // namespace switchyard::executor
