#include "services/executor/output_keeper.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/text/utf8.h"

namespace switchyard::executor {
namespace {

using ::testing::HasSubstr;

class OutputKeeperTest : public ::testing::Test {
 protected:
  OutputKeeper Keeper(std::uint64_t log_bytes) {
    return OutputKeeper(log_bytes, [this](LogChunk chunk) {
      text_ += chunk.text;
      chunks_.push_back(std::move(chunk));
    });
  }
  std::string text_;
  std::vector<LogChunk> chunks_;
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(OutputKeeperTest, PassesTextOnAfterAShortWait) {
  OutputKeeper keeper = Keeper(1 << 20);
  keeper.Append(LogStream::kOutput, "hello\n", now_);
  EXPECT_EQ(text_, "");
  EXPECT_EQ(keeper.Flush(now_), now_ + OutputKeeper::kFlushAfter);
  EXPECT_EQ(keeper.Flush(now_ + OutputKeeper::kFlushAfter), absl::InfiniteFuture());
  EXPECT_EQ(text_, "hello\n");
  keeper.Finish(now_);
  EXPECT_EQ(text_, "hello\n");
}

TEST_F(OutputKeeperTest, HidesASecretWhereverItIsCut) {
  const std::string text = "before ghp_" + std::string(36, 'A') + " after password=hunter2secret\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    text_.clear();
    OutputKeeper keeper = Keeper(1 << 20);
    keeper.Append(LogStream::kOutput, text.substr(0, cut), now_);
    keeper.Flush(now_ + absl::Seconds(1));
    keeper.Append(LogStream::kOutput, text.substr(cut), now_);
    keeper.Finish(now_);
    EXPECT_EQ(text_, "before [redacted] after password=[redacted]\n") << cut;
    EXPECT_EQ(keeper.Summary(), text_);
  }
}

TEST_F(OutputKeeperTest, NeverSplitsACharacter) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x82";
  std::minstd_rand random(7);
  OutputKeeper keeper = Keeper(10 << 20);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = 1 + random() % 5000;
    keeper.Append(LogStream::kOutput, text.substr(at, size), now_);
    if (random() % 3 == 0) keeper.Flush(now_ += absl::Seconds(1));
    at += size;
  }
  keeper.Finish(now_);
  EXPECT_EQ(text_, text);
  for (const LogChunk& chunk : chunks_) {
    EXPECT_TRUE(text::IsValidUtf8(chunk.text));
    EXPECT_LE(chunk.text.size(), OutputKeeper::kChunkBytes);
  }
  EXPECT_TRUE(text::IsValidUtf8(keeper.Summary()));
}

TEST_F(OutputKeeperTest, MakesAnythingWellFormed) {
  std::minstd_rand random(11);
  OutputKeeper keeper = Keeper(1 << 20);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random() % 3000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    keeper.Append(i % 2 == 0 ? LogStream::kOutput : LogStream::kError, bytes, now_);
    if (i % 7 == 0) keeper.Flush(now_ += absl::Seconds(1));
  }
  keeper.Finish(now_);
  for (const LogChunk& chunk : chunks_) {
    EXPECT_TRUE(text::IsValidUtf8(chunk.text));
    EXPECT_LE(chunk.text.size(), OutputKeeper::kChunkBytes);
    EXPECT_EQ(chunk.text.find('\0'), std::string::npos);
  }
  EXPECT_TRUE(text::IsValidUtf8(keeper.Summary()));
  EXPECT_LE(keeper.Summary().size(), 64u * 1024);
}

TEST_F(OutputKeeperTest, KeepsHeadAndTailOfTooMuch) {
  OutputKeeper keeper = Keeper(200 * 1024);
  keeper.Append(LogStream::kOutput, "the very beginning\n", now_);
  for (int i = 0; i < 20000; ++i) {
    keeper.Append(LogStream::kOutput, "line " + std::to_string(i) + " of many that nobody reads\n", now_);
  }
  keeper.Append(LogStream::kError, "the very end\n", now_);
  keeper.Finish(now_);
  EXPECT_LE(text_.size(), 200u * 1024);
  EXPECT_GE(text_.size(), 150u * 1024);
  EXPECT_THAT(text_, HasSubstr("the very beginning"));
  EXPECT_THAT(text_, HasSubstr("the very end"));
  EXPECT_EQ(text_.size() + keeper.dropped(), keeper.written());
  const std::string summary = keeper.Summary();
  EXPECT_LE(summary.size(), 64u * 1024);
  EXPECT_THAT(summary, HasSubstr("the very beginning"));
  EXPECT_THAT(summary, HasSubstr("the very end"));
  EXPECT_THAT(summary, HasSubstr("bytes left out"));
}

TEST_F(OutputKeeperTest, StreamsAreToldApart) {
  OutputKeeper keeper = Keeper(1 << 20);
  keeper.Append(LogStream::kOutput, "out", now_);
  keeper.Append(LogStream::kError, "err", now_);
  keeper.Finish(now_);
  ASSERT_EQ(chunks_.size(), 2u);
  EXPECT_EQ(chunks_[0].stream, LogStream::kOutput);
  EXPECT_EQ(chunks_[1].stream, LogStream::kError);
  EXPECT_EQ(chunks_[1].text, "err");
}

}  // namespace
}  // namespace switchyard::executor
