#include "libs/base/secure_bytes.h"

#include "gtest/gtest.h"

namespace switchyard {
namespace {

TEST(SecureBytesTest, AreAsManyAsAskedAndDiffer) {
  EXPECT_EQ(SecureBytes(0).size(), 0u);
  EXPECT_EQ(SecureBytes(100).size(), 100u);
  EXPECT_NE(SecureBytes(32), SecureBytes(32));
}

TEST(SecureTokenTest, IsPrefixAndAlphanumericRest) {
  const std::string token = SecureToken("sy_");
  ASSERT_EQ(token.size(), 46u);
  EXPECT_EQ(token.substr(0, 3), "sy_");
  for (const char c : token.substr(3)) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) != 0) << token;
  EXPECT_NE(token, SecureToken("sy_"));
}

TEST(EqualInConstantTimeTest, ComparesWholeText) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abcd"));
}

}  // namespace
}  // namespace switchyard
