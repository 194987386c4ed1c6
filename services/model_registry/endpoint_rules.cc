#include "services/model_registry/endpoint_rules.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"

namespace switchyard::model_registry {
namespace {

constexpr int kMaxCapacity = 1'000;
constexpr std::size_t kMaxModelsDeclared = 200;
constexpr std::array<std::string_view, 6> kOptions = {"num_ctx",  "num_batch", "num_gpu",
                                                      "main_gpu", "use_mmap",  "num_thread"};

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > 64 || !absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

bool IsPlain(std::string_view text, std::size_t most) {
  return text.size() <= most && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f;
         });
}

std::string_view UrlFault(std::string_view url) {
  std::string_view rest;
  if (absl::StartsWith(ToAbsl(url), "http://")) rest = url.substr(7);
  if (absl::StartsWith(ToAbsl(url), "https://")) rest = url.substr(8);
  if (rest.empty()) return "must begin with http:// or https:// and name a host";
  if (!IsPlain(url, 1'000)) return "must be at most 1000 printable characters without blanks";
  if (url.find('?') != std::string_view::npos || url.find('#') != std::string_view::npos) {
    return "must have no query and no fragment";
  }
  const std::string_view host = rest.substr(0, rest.find('/'));
  if (host.find('@') != std::string_view::npos) return "must hold no user and no password; use credential";
  if (host.empty() || host.front() == ':') return "must name a host";
  return "";
}

void CheckModel(const EndpointSpec& spec, const ModelSettings& settings, const std::string& at,
                std::vector<FieldViolation>& faults) {
  if (settings.model.empty() || !IsPlain(settings.model, 200)) {
    faults.push_back({at + ".model", "must be 1 to 200 printable characters without blanks"});
  }
  if (settings.capacity < 0 || settings.capacity > kMaxCapacity) {
    faults.push_back({at + ".capacity", "must be from 0 to 1000"});
  }
  const bool ollama = spec.kind == EndpointKind::kOllama;
  if (settings.keep_warm && !ollama) faults.push_back({at + ".keep_warm", "is for Ollama only"});
  if (!settings.options.empty() && !ollama) faults.push_back({at + ".options", "are for Ollama only"});
  for (const auto& [name, value] : settings.options) {
    const std::string here = absl::StrCat(at, ".options.", name);
    if (std::find(kOptions.begin(), kOptions.end(), name) == kOptions.end()) {
      const std::string meant = text::DidYouMean(name, kOptions);
      faults.push_back({here, absl::StrCat("is no option that reloads a model",
                                           meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?"))});
    } else if (value < (name == "num_gpu" ? -1 : 0) || value > 10'000'000 || (name == "use_mmap" && value > 1)) {
      faults.push_back({here, "is out of range"});
    }
  }
}

}  // namespace

bool IsCredentialReference(std::string_view text) {
  if (text.empty()) return true;
  if (!IsPlain(text, 1'000)) return false;
  if (absl::StartsWith(ToAbsl(text), "file:")) return text.size() > 6 && text[5] == '/';
  if (!absl::StartsWith(ToAbsl(text), "env:") || text.size() == 4) return false;
  return std::all_of(text.begin() + 4, text.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; });
}

std::vector<FieldViolation> FaultsOf(const EndpointSpec& spec, std::string_view prefix) {
  std::vector<FieldViolation> faults;
  const auto at = [&](std::string_view field) {
    return prefix.empty() ? std::string(field) : absl::StrCat(ToAbsl(prefix), ".", ToAbsl(field));
  };
  if (!IsName(spec.name)) {
    faults.push_back({at("name"), "must be 1 to 64 characters of [a-z0-9._-], beginning with a letter or digit"});
  } else if (Uuid::Parse(spec.name).ok()) {
    faults.push_back({at("name"), "must not look like an id"});
  }
  if (const std::string_view fault = UrlFault(spec.url); !fault.empty()) {
    faults.push_back({at("url"), std::string(fault)});
  }
  if (!IsCredentialReference(spec.credential)) {
    faults.push_back(
        {at("credential"), "must be a reference, \"env:NAME\" or \"file:/PATH\", never the secret itself"});
  }
  if (!IsPlain(spec.host, 255)) faults.push_back({at("host"), "must be at most 255 printable characters"});
  if (!spec.agent.empty() && !IsName(spec.agent)) faults.push_back({at("agent"), "is no name of an agent"});
  for (const auto& [field, value] :
       {std::pair("capacity", spec.capacity), std::pair("max_capacity", spec.max_capacity)}) {
    if (value < 0 || value > kMaxCapacity) faults.push_back({at(field), "must be from 0 to 1000"});
  }
  if (spec.capacity > 0 && spec.max_capacity > 0) {
    faults.push_back({at("max_capacity"), "has no meaning beside capacity, which is not learnt then"});
  }
  if (spec.models.size() > kMaxModelsDeclared) faults.push_back({at("models"), "has more than 200 items"});
  for (std::size_t i = 0; i < spec.models.size() && i < kMaxModelsDeclared; ++i) {
    const std::string here = at(absl::StrCat("models[", i, "]"));
    CheckModel(spec, spec.models[i], here, faults);
    for (std::size_t j = 0; j < i; ++j) {
      if (!SameModel(spec.kind, spec.models[i].model, spec.models[j].model)) continue;
      faults.push_back({here + ".model", "is the same as another one"});
      break;
    }
  }
  return faults;
}

}  // namespace switchyard::model_registry
