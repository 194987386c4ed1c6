#include "libs/pg/params.h"

#include "gtest/gtest.h"
#include "libs/pg/sqlstate.h"
#include "libs/pg/wire.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsOk;

TEST(ParamsTest, RefusesNulInTextBeforeAnythingIsSent) {
  Params params;
  params.Add(std::string_view("a\0b", 3));
  EXPECT_TRUE(absl::IsInvalidArgument(params.status()));
  EXPECT_TRUE(IsBadData(params.status())) << "so that a batch bisects";
}

TEST(ParamsTest, RefusesNulInAnElementOfTextArray) {
  TextArray array;
  array.Append("fine");
  array.Append(std::string_view("\0", 1));
  EXPECT_TRUE(absl::IsInvalidArgument(Params().Add(array).status()));
}

TEST(ParamsTest, AllowsNulInBytes) {
  BytesArray array;
  array.Append(std::string_view("\0\1", 2));
  EXPECT_THAT(Params().Add(array).Add(Bytes{std::string_view("\0", 1)}).status(), IsOk());
}

TEST(ParamsTest, IsCleanAgainAfterClear) {
  TextArray array;
  array.Append(std::string_view("\0", 1));
  Params params;
  params.Add(array);
  array.Clear();
  params.Clear();
  params.Add(array);
  EXPECT_THAT(params.status(), IsOk());
  EXPECT_EQ(params.size(), 1u);
}

TEST(WireTest, KeepsMicrosecondsAndInfinityOfTimes) {
  const absl::Time time = absl::FromUnixMicros(1'700'000'000'123'456);
  EXPECT_EQ(wire::FromPostgres(wire::ToPostgres(time)), time);
  EXPECT_EQ(wire::FromPostgres(wire::ToPostgres(absl::InfiniteFuture())), absl::InfiniteFuture());
  EXPECT_EQ(wire::FromPostgres(wire::ToPostgres(absl::InfinitePast())), absl::InfinitePast());
  EXPECT_EQ(wire::ToPostgres(absl::FromUnixSeconds(946684800)), 0);
}

TEST(WireTest, ExtendsTheSignOfShortIntegers) {
  char bytes[8];
  for (const int width : {2, 4, 8}) {
    wire::Put(bytes, static_cast<std::uint64_t>(-7), width);
    EXPECT_EQ(wire::GetSigned(bytes, width), -7) << width;
  }
}

}  // namespace
}  // namespace switchyard::pg
