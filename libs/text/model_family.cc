#include "libs/text/model_family.h"

#include <cstddef>

namespace switchyard::text {
namespace {

struct Known {
  // Of a word of the name, in lower case.
  std::string_view begins;
  std::string_view family;
};

// The first that fits, in this order, wherever in the name: what was distilled into another family's model counts as
// that one, since its name says both and the later makers' data decides.
constexpr Known kKnown[] = {
    {"deepseek", "deepseek"},
    {"qwen", "qwen"},
    {"qwq", "qwen"},
    {"qvq", "qwen"},
    {"claude", "claude"},
    {"gpt", "gpt"},
    {"chatgpt", "gpt"},
    {"codex", "gpt"},
    {"o1", "gpt"},
    {"o3", "gpt"},
    {"o4", "gpt"},
    {"gemini", "gemini"},
    {"gemma", "gemini"},
    {"codegemma", "gemini"},
    {"mistral", "mistral"},
    {"mixtral", "mistral"},
    {"ministral", "mistral"},
    {"codestral", "mistral"},
    {"devstral", "mistral"},
    {"magistral", "mistral"},
    {"pixtral", "mistral"},
    {"llama", "llama"},
    {"codellama", "llama"},
    {"phi", "phi"},
    {"granite", "granite"},
    {"command", "command"},
    {"aya", "command"},
    {"starcoder", "starcoder"},
    {"yi", "yi"},
    {"glm", "glm"},
    {"chatglm", "glm"},
    {"kimi", "kimi"},
    {"moonshot", "kimi"},
    {"grok", "grok"},
    {"nova", "nova"},
    {"jamba", "jamba"},
    {"falcon", "falcon"},
    {"olmo", "olmo"},
    {"smollm", "smollm"},
    {"nemotron", "nemotron"},
    {"exaone", "exaone"},
    {"minimax", "minimax"},
    {"hunyuan", "hunyuan"},
    {"ernie", "ernie"},
    {"internlm", "internlm"},
    {"solar", "solar"},
    {"stablelm", "stablelm"},
    {"cogito", "cogito"},
};

constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Short ones are words of their own: "yi" is not "yield".
bool BeginsWord(std::string_view rest, std::string_view word) {
  constexpr std::size_t kShort = 4;
  if (rest.size() < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (Lower(rest[i]) != word[i]) return false;
  }
  return word.size() > kShort || rest.size() == word.size() || !IsLetter(rest[word.size()]);
}

}  // namespace

std::string_view ModelFamily(std::string_view model) {
  for (const Known& known : kKnown) {
    for (std::size_t at = 0; at < model.size(); ++at) {
      const bool begins = at == 0 || !IsLetter(model[at - 1]);
      if (begins && BeginsWord(model.substr(at), known.begins)) return known.family;
    }
  }
  return "";
}

}  // namespace switchyard::text
