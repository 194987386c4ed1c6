#include "libs/base/sha256.h"

#include <thread>

#include "gtest/gtest.h"

namespace switchyard {
namespace {

constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256Test, AgreesWithTheStandard) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), kOfAbc);
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, KeepsNothingBetweenCallsAndThreads) {
  Sha256("something else");
  EXPECT_EQ(Sha256Hex("abc"), kOfAbc);
  std::string there;
  std::thread([&] { there = Sha256Hex("abc"); }).join();
  EXPECT_EQ(there, kOfAbc);
}

}  // namespace
}  // namespace switchyard
