#include "services/executor/allowlist.h"

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"

namespace switchyard::executor {
namespace {

std::string_view Base(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// For people, without secrets and control characters.
std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text::Redact(text::TruncateUtf8(text, 100))), "\"");
}

absl::Status Invalid(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", message);
}

// "" when the rule allows it.
std::string Objection(const Rule& rule, const Work& work) {
  const std::size_t count = work.argv.size() - 1;
  if (count < rule.arguments.size()) {
    return absl::StrCat("needs ", rule.arguments.size(), " arguments, got ", count);
  }
  for (std::size_t i = 0; i < rule.arguments.size(); ++i) {
    if (!rule.arguments[i].Matches(work.argv[i + 1])) {
      return absl::StrCat("argument ", i + 1, " is ", Quoted(work.argv[i + 1]), ", not ",
                          Quoted(rule.arguments[i].text()));
    }
  }
  const std::size_t more = count - rule.arguments.size();
  if (more > (rule.rest.empty() ? 0 : rule.max_rest)) {
    return absl::StrCat("takes at most ", rule.arguments.size() + (rule.rest.empty() ? 0 : rule.max_rest),
                        " arguments, got ", count);
  }
  for (std::size_t i = rule.arguments.size() + 1; i < work.argv.size(); ++i) {
    const bool allowed = std::any_of(rule.rest.begin(), rule.rest.end(),
                                     [&](const ArgumentPattern& pattern) { return pattern.Matches(work.argv[i]); });
    if (!allowed)
      return absl::StrCat("argument ", i, " is ", Quoted(work.argv[i]), ", which matches no pattern of its rest");
  }
  for (const auto& [name, value] : work.environment) {
    if (!rule.environment.contains(name) || SteersExecution(name)) {
      return absl::StrCat("the variable ", Quoted(name), " is not among those a task may set");
    }
  }
  if (!work.stdin_data.empty() && !rule.stdin_allowed) return "grants no input";
  if (work.network && !rule.network) return "grants no network";
  return "";
}

}  // namespace

bool SteersExecution(std::string_view name) {
  static constexpr std::array kExact = {std::string_view("PATH"),         std::string_view("HOME"),
                                        std::string_view("SHELL"),        std::string_view("IFS"),
                                        std::string_view("ENV"),          std::string_view("CDPATH"),
                                        std::string_view("PERL5LIB"),     std::string_view("PERL5OPT"),
                                        std::string_view("RUBYOPT"),      std::string_view("RUBYLIB"),
                                        std::string_view("NODE_OPTIONS"), std::string_view("NODE_PATH"),
                                        std::string_view("CLASSPATH"),    std::string_view("MAKEFLAGS"),
                                        std::string_view("GCONV_PATH"),   std::string_view("TMPDIR"),
                                        std::string_view("EDITOR"),       std::string_view("VISUAL"),
                                        std::string_view("PAGER"),        std::string_view("MANPAGER"),
                                        std::string_view("LOCPATH"),      std::string_view("NLSPATH"),
                                        std::string_view("HOSTALIASES"),  std::string_view("RES_OPTIONS"),
                                        std::string_view("GETCONF_DIR"),  std::string_view("MALLOC_TRACE"),
                                        std::string_view("PS4"),          std::string_view("PROMPT_COMMAND"),
                                        std::string_view("OPENSSL_CONF"), std::string_view("GNUMAKEFLAGS"),
                                        std::string_view("BROWSER"),      std::string_view("_")};
  static constexpr std::array kPrefixes = {
      std::string_view("LD_"),    std::string_view("DYLD_"),   std::string_view("BASH_"),
      std::string_view("PYTHON"), std::string_view("GIT_"),    std::string_view("SWITCHYARD_"),
      std::string_view("GLIBC_"), std::string_view("JAVA_"),   std::string_view("_JAVA_"),
      std::string_view("JDK_"),   std::string_view("MALLOC_"), std::string_view("SSH_"),
      std::string_view("LESS"),   std::string_view("ZDOTDIR")};
  return std::find(kExact.begin(), kExact.end(), name) != kExact.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [name](std::string_view prefix) { return name.substr(0, prefix.size()) == prefix; });
}

bool IsShell(std::string_view program) {
  static constexpr std::array kShells = {
      std::string_view("sh"),   std::string_view("bash"),    std::string_view("dash"),    std::string_view("rbash"),
      std::string_view("zsh"),  std::string_view("ksh"),     std::string_view("mksh"),    std::string_view("ksh93"),
      std::string_view("fish"), std::string_view("csh"),     std::string_view("tcsh"),    std::string_view("ash"),
      std::string_view("su"),   std::string_view("sudo"),    std::string_view("doas"),    std::string_view("pkexec"),
      std::string_view("posh"), std::string_view("yash"),    std::string_view("busybox"), std::string_view("toybox"),
      std::string_view("pwsh"), std::string_view("runuser"), std::string_view("elvish")};
  return std::find(kShells.begin(), kShells.end(), Base(program)) != kShells.end();
}

absl::StatusOr<const Rule*> Allowlist::Find(const Work& work) const {
  if (work.argv.empty() || work.argv[0].empty()) return Invalid("the work names no program");
  for (const std::string& argument : work.argv) {
    if (argument.find('\0') != std::string::npos) return Invalid("an argument holds a NUL");
  }
  for (const auto& [name, value] : work.environment) {
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos ||
        value.find('\0') != std::string::npos) {
      return Invalid("a variable has no proper name or value");
    }
  }
  if (!work.working_directory.empty() && !IsInnerPath(work.working_directory)) {
    return Invalid(absl::StrCat("the folder ", Quoted(work.working_directory), " is not inside the working directory"));
  }
  const std::string& program = work.argv[0];
  std::string closest;
  for (const Rule& rule : rules_) {
    if (program != rule.program && program != Base(rule.program)) continue;
    const std::string objection = Objection(rule, work);
    if (objection.empty()) return &rule;
    closest = absl::StrCat(closest.empty() ? "" : absl::StrCat(closest, "; "), "rule ", rule.name, ": ", objection);
    if (closest.size() > 2000) break;
  }
  if (closest.empty()) closest = absl::StrCat("no rule allows the program ", Quoted(program));
  return MakeError(absl::StatusCode::kPermissionDenied, "NOT_ALLOWED",
                   absl::StrCat("this executor's allowlist refuses it: ", closest));
}

}  // namespace switchyard::executor
