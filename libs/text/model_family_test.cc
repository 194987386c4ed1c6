#include "libs/text/model_family.h"

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

namespace switchyard::text {
namespace {

TEST(ModelFamilyTest, NamesTellTheFamilyHoweverAnEndpointWritesThem) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"qwen2.5-coder:7b", "qwen"},
      {"Qwen/QwQ-32B", "qwen"},
      {"hf.co/bartowski/Qwen2.5-Coder-32B-Instruct-GGUF:Q4_K_M", "qwen"},
      {"claude-sonnet-4-5-20250929", "claude"},
      {"us.anthropic.claude-opus-4", "claude"},
      {"gpt-4o-mini", "gpt"},
      {"openai/gpt-oss-20b", "gpt"},
      {"o3-mini", "gpt"},
      {"llama3.1:8b", "llama"},
      {"meta-llama/Llama-3.3-70B-Instruct", "llama"},
      {"codellama:13b", "llama"},
      {"mixtral:8x7b", "mistral"},
      {"codestral-latest", "mistral"},
      {"gemma2:9b", "gemini"},
      {"phi3:mini", "phi"},
      {"phi4", "phi"},
      {"yi:34b", "yi"},
      {"glm-4.6", "glm"},
      {"kimi-k2", "kimi"},
  };
  for (const auto& [name, family] : cases) EXPECT_EQ(ModelFamily(name), family) << name;
}

TEST(ModelFamilyTest, ADistilledModelIsOfTheFamilyThatTaughtIt) {
  EXPECT_EQ(ModelFamily("DeepSeek-R1-Distill-Qwen-14B"), "deepseek");
  EXPECT_EQ(ModelFamily("deepseek-r1:8b-llama-distill-q4_K_M"), "deepseek");
}

TEST(ModelFamilyTest, WhatOnlyLooksLikeAFamilyTellsNothing) {
  for (const std::string_view name :
       {"", "yield-model", "dolphin-2", "my-model:latest", "novaline", "phius", "graphite"}) {
    EXPECT_EQ(ModelFamily(name), "") << name;
  }
}

}  // namespace
}  // namespace switchyard::text
