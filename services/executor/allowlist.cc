#include "services/executor/allowlist.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
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
  static const auto& exact = *new absl::flat_hash_set<std::string>(absl::StrSplit(
      "PATH HOME SHELL IFS ENV CDPATH FPATH SHELLOPTS BASHOPTS PS4 PROMPT_COMMAND ZDOTDIR INPUTRC TMPDIR _ "
      "EDITOR VISUAL PAGER MANPAGER BROWSER VIMINIT EXINIT TERMINFO TERMINFO_DIRS TERMCAP GCONV_PATH LOCPATH "
      "NLSPATH HOSTALIASES RES_OPTIONS GETCONF_DIR GNUPGHOME WGETRC CURL_HOME TAR_OPTIONS CVS_RSH SVN_SSH CC "
      "CXX CPP LD AR AS NM FC F77 RANLIB OBJCOPY STRIP LEX YACC MAKE MAKEFLAGS MAKEFILES GNUMAKEFLAGS MFLAGS "
      "CFLAGS CXXFLAGS CPPFLAGS LDFLAGS LDLIBS FFLAGS CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH "
      "LIBRARY_PATH COMPILER_PATH GCC_EXEC_PREFIX DEPENDENCIES_OUTPUT CCC_OVERRIDE_OPTIONS CARGO GOFLAGS GOROOT "
      "GOPATH GOENV GOBIN GOTOOLCHAIN GOTOOLDIR GOPROXY GOSUMDB GONOSUMDB GONOSUMCHECK GOINSECURE GOPRIVATE "
      "GOCACHE GOCACHEPROG GOMODCACHE GOTMPDIR GOWORK GO111MODULE GOVCS GOAUTH VIRTUAL_ENV CLASSPATH PHPRC "
      "TCLLIBPATH OCAMLRUNPARAM CAMLRUNPARAM CAML_LD_LIBRARY_PATH OCAMLFIND_CONF PSMODULEPATH KUBECONFIG "
      "AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE PSQLRC PGSERVICEFILE PGSYSCONFDIR PGPASSFILE",
      ' '));
  static const auto& prefixes = *new std::vector<std::string>(absl::StrSplit(
      "LD_ DYLD_ GLIBC_ MALLOC_ BASH_ SWITCHYARD_ SSH_ SUDO_ SYSTEMD_ LESS XDG_ GIT_ HG RSYNC_ OPENSSL_ "
      "PKG_CONFIG PYTHON PIP_ PIPX_ PIPENV_ UV_ POETRY_ CONDA_ MAMBA_ TOX_ PYENV_ NODE_ YARN_ PNPM_ COREPACK_ "
      "NVM_ DENO_ BUN_ RUBY GEM_ BUNDLE_ BUNDLER_ RBENV_ PERL PHP_ COMPOSER_ LUA_ R_ JULIA_ GUILE_ ERL_ ELIXIR_ "
      "MIX_ HEX_ JAVA_ _JAVA_ JDK_ MAVEN_ GRADLE_ ANT_ SBT_ KOTLIN_ SCALA_ DOTNET_ MSBUILD NUGET_ CORECLR_ "
      "COMPlus_ RUSTC RUSTDOC RUSTFLAGS RUSTUP_ CARGO_ CGO_ CMAKE_ CTEST_ MESON_ NINJA_ CCACHE_ SCCACHE_ "
      "DISTCC_ CONFIG_SHELL DOCKER_ BUILDKIT_ BUILDAH_ CONTAINERS_ KUBECTL_ HELM_ TF_ TERRAFORM_ ANSIBLE_ "
      "VAGRANT_ GTK_ GIO_ QT_ GST_ PSQL_",
      ' '));
  // npm reads its own in either case.
  if (absl::StartsWithIgnoreCase(ToAbsl(name), "npm_")) return true;
  return exact.contains(ToAbsl(name)) ||
         std::any_of(prefixes.begin(), prefixes.end(),
                     [name](const std::string& prefix) { return name.substr(0, prefix.size()) == prefix; });
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
