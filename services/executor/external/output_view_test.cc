#include "services/executor/external/output_view.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "services/executor/external/agents_file.h"

namespace switchyard::executor::external {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

class OutputViewTest : public ::testing::Test {
 protected:
  void Make(const std::string& more, const std::string& secret = "") {
    const absl::StatusOr<std::vector<AgentSpec>> agents =
        ParseAgents("agents:\n- name: a\n  program: /opt/a\n  prompt: stdin\n" + more);
    SY_ASSERT_OK(agents.status());
    agent_ = agents->front();
    view_ = std::make_unique<OutputView>(agent_, secret, 1 << 20, [this](LogChunk chunk) { log_ += chunk.text; });
  }
  void Say(std::string_view text, LogStream stream = LogStream::kOutput) {
    view_->Take(stream, text, /*gap=*/false, /*of_agent=*/true, now_);
  }
  void End() {
    view_->EndAgent(now_);
    view_->Finish(now_);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'000);
  AgentSpec agent_;
  std::unique_ptr<OutputView> view_;
  std::string log_;
};

TEST_F(OutputViewTest, FindsModelTokensAndCostInAStreamOfEvents) {
  Make(
      "  names_model: {from: output, json: /model}\n"
      "  result: {summary: {json: /result}, input_tokens: {json: /usage/input_tokens},\n"
      "           cached_input_tokens: {json: /usage/cache_read_input_tokens},\n"
      "           output_tokens: {json: /usage/output_tokens}, cost: {json: /total_cost_usd}}\n");
  Say("{\"type\":\"system\",\"subtype\":\"init\",\"mod");
  EXPECT_EQ(view_->model(), std::nullopt);
  Say("el\":\"claude-x\"}\n{\"type\":\"assistant\",\"message\":{\"model\":\"claude-small\",\"usage\":{\"input_tokens\":"
      "1}}}\n");
  EXPECT_THAT(view_->model(), Optional(std::string("claude-x")));
  Say("{\"type\":\"result\",\"result\":\"done\",\"total_cost_usd\":0.0123,\"usage\":{\"input_tokens\":40,"
      "\"cache_read_input_tokens\":30,\"output_tokens\":7}}");
  End();
  const OutputView::Facts facts = view_->DeclaredInOutput();
  EXPECT_EQ(facts.summary, "done");
  EXPECT_THAT(facts.input_tokens, Optional(40));
  EXPECT_THAT(facts.cached_input_tokens, Optional(30));
  EXPECT_THAT(facts.output_tokens, Optional(7));
  EXPECT_THAT(facts.cost_micros, Optional(12'300));
  EXPECT_EQ(facts.cache_write_tokens, std::nullopt);
}

TEST_F(OutputViewTest, TheFirstNameOfAModelCounts) {
  Make("  names_model: {from: output, pattern: '^model: (\\S+)$'}\n");
  Say("model: right\nuser\nmodel: in-the-prompt\n");
  End();
  EXPECT_THAT(view_->model(), Optional(std::string("right")));
}

TEST_F(OutputViewTest, TokensAreAddedUpFromLinesForPeople) {
  Make(
      "  names_model: {from: output, pattern: '^(?:Main model|Model): (\\S+) with '}\n"
      "  result: {input_tokens: {pattern: '^Tokens: ([0-9.]+[kM]?) sent', sum: true},\n"
      "           output_tokens: {pattern: '^Tokens: .* ([0-9.]+[kM]?) received', sum: true},\n"
      "           cost: {pattern: 'Cost: .*\\$([0-9.]+) session'}}\n");
  Say("Main model: openai/gpt-x with diff edit format\nTokens: 2.5k sent, 120 received. Cost: $0.01 message, $0.01 "
      "session.\n");
  Say("Tokens: 1.5k sent, 1.0k cache hit, 80 received. Cost: $0.02 message, $0.03 session.\n");
  End();
  EXPECT_THAT(view_->model(), Optional(std::string("openai/gpt-x")));
  const OutputView::Facts facts = view_->DeclaredInOutput();
  EXPECT_THAT(facts.input_tokens, Optional(4'000));
  EXPECT_THAT(facts.output_tokens, Optional(200));
  EXPECT_THAT(facts.cost_micros, Optional(30'000));
}

TEST_F(OutputViewTest, ADocumentOfManyLinesIsReadAtTheEnd) {
  Make("  names_model: {from: output, json: /model}\n  result: {cost: {json: /cost}}\n");
  Say("{\n \"model\": \"m\",\n \"cost\": 0.5\n}\n");
  EXPECT_EQ(view_->model(), std::nullopt);
  End();
  EXPECT_THAT(view_->model(), Optional(std::string("m")));
  EXPECT_THAT(view_->DeclaredInOutput().cost_micros, Optional(500'000));
}

TEST_F(OutputViewTest, ReadinessIsALineAndOutputOfOtherProgramsIsNotTheAgents) {
  Make("  names_model: {from: output, pattern: 'model (\\S+)'}\n  wake: {output: '^(ready)$'}\n");
  view_->Take(LogStream::kOutput, "ready\nmodel other\n", false, /*of_agent=*/false, now_);
  EXPECT_FALSE(view_->any());
  EXPECT_FALSE(view_->ready());
  EXPECT_EQ(view_->model(), std::nullopt);
  Say("not ready\n", LogStream::kError);
  EXPECT_TRUE(view_->any());
  EXPECT_FALSE(view_->ready());
  Say("ready\n", LogStream::kError);
  EXPECT_TRUE(view_->ready());
  End();
  EXPECT_THAT(log_, HasSubstr("model other"));
}

TEST_F(OutputViewTest, TheCredentialIsNeitherInTheLogNorInTheFacts) {
  Make("  names_model: {from: output, pattern: 'model (\\S+)'}\n  result: {summary: {pattern: 'key=(\\S+)'}}\n",
       "unknownformat99");
  for (const char c : std::string("key=unknownformat99 and\n")) Say(std::string(1, c));
  Say("unknownformat");
  End();
  EXPECT_THAT(log_, Not(HasSubstr("unknownformat")));
  EXPECT_THAT(view_->keeper().Summary(), Not(HasSubstr("unknownformat")));
  EXPECT_THAT(view_->DeclaredInOutput().summary, HasSubstr("redacted"));
  EXPECT_EQ(view_->mask().Mask("x unknownformat99"), "x [redacted]");
}

TEST_F(OutputViewTest, AFloodIsCutForTheLogAndStillSearched) {
  Make("  names_model: {from: output, pattern: 'model (\\S+)'}\n");
  const std::string line(1023, 'x');
  for (int i = 0; i < 4'000; ++i) Say(line + "\n");
  Say("model late\n");
  End();
  EXPECT_THAT(view_->model(), Optional(std::string("late")));
  EXPECT_LE(log_.size(), (1u << 20) + 64 * 1024);
  EXPECT_GT(view_->keeper().dropped(), 0u);
}

}  // namespace
}  // namespace switchyard::executor::external
