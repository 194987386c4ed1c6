#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/yard/tree.h"

namespace switchyard::yard {

// A command line that fits the tree: every value was checked against its kind, every name exists.
struct Invocation {
  // Null when only a noun, or nothing, was given.
  const Command* command = nullptr;
  const Noun* noun = nullptr;
  bool help = false;
  // By the flag's name, in the order given.
  std::map<std::string, std::vector<std::string>, std::less<>> flags;
  std::vector<std::string> arguments;
  // What followed "--"; absent without "--".
  std::optional<std::vector<std::string>> rest;

  bool Has(std::string_view flag) const { return flags.contains(flag); }
  // The last one given, or `otherwise`.
  std::string Get(std::string_view flag, std::string_view otherwise = "") const;
  std::vector<std::string> All(std::string_view flag) const;
  // Absent when the flag was not given.
  std::optional<absl::Duration> Span(std::string_view flag) const;
  std::optional<long> Number(std::string_view flag) const;
};

// `words` is what follows the program's name. Flags may stand anywhere before "--"; global ones also before the
// command. Fails with a usage error that names the nearest known word.
absl::StatusOr<Invocation> ParseCommandLine(const Tree& tree, const std::vector<std::string>& words);

}  // namespace switchyard::yard
