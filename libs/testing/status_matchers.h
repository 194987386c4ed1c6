// Matchers for absl::Status and absl::StatusOr, shaped like upstream's. Each works on both.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace switchyard::testing {
namespace internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

inline std::string Describe(const absl::Status& status) {
  std::string text(status.ToString(absl::StatusToStringMode::kWithNoExtraData));
  if (const std::string reason = ReasonOf(status); !reason.empty()) text += " [" + reason + "]";
  return text;
}

template <class Value>
class OkAndHoldsMatcher {
 public:
  using is_gtest_matcher = void;
  explicit OkAndHoldsMatcher(Value inner) : inner_(std::move(inner)) {}

  template <class T>
  bool MatchAndExplain(const absl::StatusOr<T>& result, ::testing::MatchResultListener* listener) const {
    if (!result.ok()) {
      *listener << "which is " << Describe(result.status());
      return false;
    }
    return ::testing::SafeMatcherCast<const T&>(inner_).MatchAndExplain(*result, listener);
  }
  void DescribeTo(std::ostream* os) const { *os << "is OK and holds the value wanted"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "is not OK or holds another value"; }

 private:
  Value inner_;
};

}  // namespace internal

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const absl::Status& status = internal::StatusOf(arg);
  if (!status.ok()) *result_listener << "which is " << internal::Describe(status);
  return status.ok();
}

// IsOkAndHolds(3), IsOkAndHolds(ElementsAre(...)).
template <class Value>
internal::OkAndHoldsMatcher<std::decay_t<Value>> IsOkAndHolds(Value&& inner) {
  return internal::OkAndHoldsMatcher<std::decay_t<Value>>(std::forward<Value>(inner));
}

MATCHER_P(StatusIs, code, std::string(negation ? "has not" : "has") + " code " + absl::StatusCodeToString(code)) {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "which is " << internal::Describe(status);
  return status.code() == code;
}

// `message` is a value or a matcher of std::string.
MATCHER_P2(StatusIs, code, message,
           std::string(negation ? "has not" : "has") + " code " + absl::StatusCodeToString(code) +
               " and the message wanted") {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "which is " << internal::Describe(status);
  return status.code() == code && ::testing::Matches(message)(std::string(status.message()));
}

// By the reason given to MakeError: IsError("STALE_GENERATION").
MATCHER_P(IsError, reason, std::string(negation ? "has not" : "has") + " reason " + std::string(reason)) {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "which is " << internal::Describe(status);
  return !status.ok() && ReasonOf(status) == std::string_view(reason);
}

}  // namespace switchyard::testing

#define SY_ASSERT_OK(expression) ASSERT_THAT((expression), ::switchyard::testing::IsOk())
#define SY_EXPECT_OK(expression) EXPECT_THAT((expression), ::switchyard::testing::IsOk())

// SY_ASSERT_OK_AND_ASSIGN(const Task task, store.Find(id));
#define SY_ASSERT_OK_AND_ASSIGN(declaration, expression) \
  SY_ASSERT_OK_AND_ASSIGN_(SY_CONCAT_(sy_status_or_, __LINE__), declaration, expression)
#define SY_ASSERT_OK_AND_ASSIGN_(status_or, declaration, expression) \
  auto status_or = (expression);                                     \
  ASSERT_THAT(status_or, ::switchyard::testing::IsOk());             \
  declaration = *std::move(status_or)
