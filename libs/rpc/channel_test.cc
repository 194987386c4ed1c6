#include "libs/rpc/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/rpc/token_source.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::TempDir;

TEST(ChannelTest, RefusesToSendTokensInTheClear) {
  ChannelOptions options;
  options.target = "queue.example.org:443";
  EXPECT_THAT(MakeChannel(options), IsError("INSECURE_TARGET"));
  options.allow_insecure = true;
  EXPECT_THAT(MakeChannel(options), IsOk());
  options = {.target = "dns:///localhost:1", .tls = {}};
  EXPECT_THAT(MakeChannel(options), IsOk());
}

TEST(ChannelTest, NamesAnAuthorityFileThatCannotBeRead) {
  EXPECT_THAT(MakeChannel({.target = "a:1", .tls = {.ca_file = "/nonexistent/ca.pem"}}), IsError("TLS_FILES"));
}

TEST(FileTokenSourceTest, ReadsTheFileAgainAfterAChange) {
  const TempDir folder;
  FakeClock clock;
  FileTokenSource source(folder.File("token"), clock);
  EXPECT_EQ(source.Token(), "");
  folder.Write("token", "first\n");
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(source.Token(), "first");
  folder.Write("token", "  second-one \r\nnote\n");
  EXPECT_EQ(source.Token(), "first");
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(source.Token(), "second-one");
}

TEST(FileTokenSourceTest, KeepsTheLastTokenWhileTheFileIsGone) {
  FakeClock clock;
  std::string path;
  std::optional<TempDir> folder(std::in_place);
  path = folder->Write("token", "kept");
  FileTokenSource source(path, clock);
  EXPECT_EQ(source.Token(), "kept");
  folder.reset();
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(source.Token(), "kept");
}

}  // namespace
}  // namespace switchyard::rpc
