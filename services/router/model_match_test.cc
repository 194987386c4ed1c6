#include "services/router/model_match.h"

#include "gtest/gtest.h"

namespace switchyard::router {
namespace {

TEST(ModelMatchTest, TheSameModelGoesByManyNames) {
  EXPECT_TRUE(IsSameModel("m:7b", "m:7b", {}));
  EXPECT_TRUE(IsSameModel("Model", "model:latest", {}));
  EXPECT_TRUE(IsSameModel("model:latest", "model", {}));
  EXPECT_TRUE(IsSameModel("big-4", "big-4-20250929", {}));
  EXPECT_TRUE(IsSameModel("big-4", "big-4-2025-09-29", {}));
  EXPECT_TRUE(IsSameModel("openai/big-4", "big-4", {}));
  EXPECT_TRUE(IsSameModel("big-4", "openai/big-4-2025-09-29", {}));
  EXPECT_TRUE(IsSameModel("ours", "big-4", {"other", "Big-4"}));
}

TEST(ModelMatchTest, AnEndpointThatSaysNothingIsBelieved) { EXPECT_TRUE(IsSameModel("m", "", {})); }

TEST(ModelMatchTest, AnotherModelIsAnother) {
  EXPECT_FALSE(IsSameModel("big-4", "big-4-mini", {}));
  EXPECT_FALSE(IsSameModel("big-4", "big-4-turbo-2025-09-29", {}));
  EXPECT_FALSE(IsSameModel("big-4", "big-4-12345678", {}));
  EXPECT_FALSE(IsSameModel("big-4-20250929", "big-4", {}));
  EXPECT_FALSE(IsSameModel("m:7b", "m:14b", {}));
  EXPECT_FALSE(IsSameModel("m:7b", "m", {}));
  EXPECT_FALSE(IsSameModel("alpha/x", "beta/x", {}));
}

}  // namespace
}  // namespace switchyard::router
