#include "services/executor/external/agents_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "re2/re2.h"
#include "services/executor/external/scratch.h"
#include "services/executor/models/endpoint_url.h"
#include "services/executor/strict_yaml.h"

namespace switchyard::executor::external {
namespace {

constexpr std::size_t kMaxAgents = 100;
constexpr std::size_t kMaxPattern = 1024;
constexpr std::int64_t kPatternMemory = 1 << 20;
constexpr std::size_t kMaxText = 200;

// What stands where a key is asked for and none is needed.
constexpr std::array<std::string_view, 4> kNoSecrets = {"none", "unused", "dummy", "ollama"};

class Reader {
 public:
  absl::StatusOr<std::vector<AgentSpec>> Read(std::string_view text) {
    std::vector<AgentSpec> agents;
    yaml_.Read(text, [&](const YAML::Node& root) {
      yaml_.Keys(root, "", {{"agents", [&](const YAML::Node& list, const std::string& at) {
                               yaml_.Entries(list, at, kMaxAgents, "agents",
                                             [&](const YAML::Node& node, const std::string& where) {
                                               ReadAgent(node, where, agents);
                                             });
                             }}});
    });
    SY_RETURN_IF_ERROR(yaml_.Take());
    return agents;
  }

 private:
  using Handler = StrictYaml::Handler;

  void CheckTemplate(const YAML::Node& node, const std::string& where, std::string_view text, CredentialUse use) {
    if (const std::string fault = TemplateFault(text, use); !fault.empty()) yaml_.FaultAt(node, where, fault);
  }

  Handler Templates(std::vector<std::string>& out) {
    return [this, &out](const YAML::Node& list, const std::string& at) {
      yaml_.Items(list, at, [&](const YAML::Node& node, const std::string& where) {
        out.push_back(yaml_.Text(node, where));
        CheckTemplate(node, where, out.back(), CredentialUse::kRefused);
      });
    };
  }

  Handler Line(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) {
      out = yaml_.Text(node, where);
      if (out.empty() || out.size() > kMaxText || out.find_first_of("\r\n") != std::string::npos) {
        yaml_.FaultAt(node, where, absl::StrCat("must be one line of 1 to ", kMaxText, " bytes"));
      }
    };
  }

  Handler FileName(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) {
      out = yaml_.Text(node, where);
      if (!IsFileName(out))
        yaml_.FaultAt(node, where, "must be a file's name without a folder: letters, digits, . _ -");
      if (out == kPromptFile) yaml_.FaultAt(node, where, "is the file of the prompt");
    };
  }

  Handler Flag(bool& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) { out = yaml_.Bool(node, where); };
  }

  Handler Pattern(Extract& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) {
      const std::string text = yaml_.Text(node, where);
      if (text.empty() || text.size() > kMaxPattern) {
        return yaml_.FaultAt(node, where, absl::StrCat("must have 1 to ", kMaxPattern, " bytes"));
      }
      RE2::Options options;
      options.set_log_errors(false);
      options.set_max_mem(kPatternMemory);
      auto pattern = std::make_shared<const RE2>(text, options);
      if (!pattern->ok()) return yaml_.FaultAt(node, where, "is no RE2 expression: " + pattern->error());
      if (pattern->NumberOfCapturingGroups() < 1) {
        return yaml_.FaultAt(node, where, "has no group: put what is looked for in ( )");
      }
      out.pattern = std::move(pattern);
    };
  }

  Handler Pointer(Extract& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) {
      out.pointer = yaml_.Text(node, where);
      if (out.pointer.empty() || out.pointer.front() != '/' || out.pointer.size() > kMaxText) {
        yaml_.FaultAt(node, where, "must be a JSON pointer such as /usage/input_tokens");
      }
    };
  }

  void OneOfBoth(const YAML::Node& node, const std::string& where, const Extract& extract, bool needed) {
    if (!extract.pointer.empty() && extract.pattern != nullptr) {
      yaml_.FaultAt(node, where, "has both a json pointer and a pattern");
    }
    if (needed && !extract.set()) yaml_.FaultAt(node, where, "needs json or pattern");
  }

  Handler Fact(Extract& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) {
      yaml_.Keys(node, where, {{"json", Pointer(out)}, {"pattern", Pattern(out)}, {"sum", Flag(out.sum)}});
      OneOfBoth(node, where, out, /*needed=*/true);
    };
  }

  void ReadWaking(const YAML::Node& node, const std::string& where, Waking& waking) {
    yaml_.Keys(node, where,
               {{"within", yaml_.Time(waking.within)},
                {"probe", Templates(waking.probe)},
                {"file", FileName(waking.file)},
                {"output", Pattern(waking.output)}});
  }

  void ReadNaming(const YAML::Node& node, const std::string& where, Naming& naming) {
    std::string from = "output";
    yaml_.Keys(node, where,
               {{"from", yaml_.Texts(from)},
                {"file", FileName(naming.file)},
                {"probe", Templates(naming.probe)},
                {"json", Pointer(naming.extract)},
                {"pattern", Pattern(naming.extract)},
                {"within", yaml_.Time(naming.within)}});
    if (!node.IsMap()) return;
    OneOfBoth(node, where, naming.extract, /*needed=*/true);
    if (from == "file") {
      naming.by = NamedBy::kFile;
    } else if (from == "probe") {
      naming.by = NamedBy::kProbe;
    } else if (from != "output") {
      yaml_.FaultAt(node, where + ".from", "must be output, file or probe");
    }
    if (naming.file.empty() == (naming.by == NamedBy::kFile)) {
      yaml_.FaultAt(node, where + ".file", "belongs to from: file, and only there");
    }
    if (naming.probe.empty() == (naming.by == NamedBy::kProbe)) {
      yaml_.FaultAt(node, where + ".probe", "belongs to from: probe, and only there");
    }
  }

  void ReadModel(const YAML::Node& node, const std::string& where, AgentSpec& agent) {
    OwnModel& model = agent.model;
    yaml_.Keys(node, where,
               {{"name", Line(model.name)},
                {"aliases",
                 [&](const YAML::Node& list, const std::string& at) {
                   yaml_.Items(list, at, [&](const YAML::Node& item, const std::string& item_at) {
                     Line(model.aliases.emplace_back())(item, item_at);
                   });
                 }},
                {"url", yaml_.Texts(model.url)},
                {"credential", Line(model.credential)},
                {"provider", Line(model.provider)},
                {"local", Flag(model.local)},
                {"routed", Flag(agent.routed)}});
    if (!node.IsMap()) return;
    if (!model.url.empty()) {
      const absl::StatusOr<models::EndpointUrl> url = models::ParseEndpointUrl(model.url);
      if (!url.ok()) yaml_.FaultAt(node, where + ".url", ToStd(url.status().message()));
    } else if (!model.credential.empty()) {
      yaml_.FaultAt(node, where + ".url", "is needed: a credential is only given out for a URL");
    }
    // A literal may be a secret by mistake: it is not repeated.
    if (!model.credential.empty() && model.credential.rfind("env:", 0) != 0 &&
        model.credential.rfind("file:", 0) != 0) {
      yaml_.FaultAt(node, where + ".credential", "must be env:NAME or file:PATH");
    }
  }

  void ReadDeclared(const YAML::Node& node, const std::string& where, Declared& declared) {
    yaml_.Keys(node, where,
               {{"file", FileName(declared.file)},
                {"summary", Fact(declared.summary)},
                {"input_tokens", Fact(declared.input_tokens)},
                {"cached_input_tokens", Fact(declared.cached_input_tokens)},
                {"cache_write_tokens", Fact(declared.cache_write_tokens)},
                {"output_tokens", Fact(declared.output_tokens)},
                {"cost", Fact(declared.cost)},
                {"cached_apart", Flag(declared.cached_apart)}});
  }

  void ReadExitCodes(const YAML::Node& list, const std::string& at, std::vector<int>& codes) {
    codes.clear();
    yaml_.Items(list, at, [&](const YAML::Node& node, const std::string& where) {
      int code = 0;
      if (!absl::SimpleAtoi(yaml_.Text(node, where), &code) || code < 0 || code > 125) {
        return yaml_.FaultAt(node, where, "must be a number from 0 to 125");
      }
      codes.push_back(code);
    });
    if (list.IsSequence() && codes.empty()) yaml_.FaultAt(list, at, "is empty");
  }

  void ReadEnvironment(const YAML::Node& node, const std::string& where, AgentSpec& agent) {
    yaml_.Variables(node, where, agent.environment, [](const std::string& name, const std::string& value) {
      if (std::string fault = TemplateFault(value, CredentialUse::kAllowed); !fault.empty()) return fault;
      const bool none = std::find(kNoSecrets.begin(), kNoSecrets.end(), value) != kNoSecrets.end();
      if (text::NamesSecret(name) && !Uses(value, "credential") && !none) {
        return std::string("looks like a secret: write {credential}, or none where no key is needed");
      }
      return std::string();
    });
  }

  void ReadFiles(const YAML::Node& node, const std::string& where, std::map<std::string, std::string>& files) {
    if (!node.IsMap()) return yaml_.FaultAt(node, where, "is not a mapping of names to contents");
    for (const auto& pair : node) {
      std::string name;
      FileName(name)(pair.first, where);
      const std::string here = absl::StrCat(where, ".", name);
      std::string text = yaml_.Text(pair.second, here);
      CheckTemplate(pair.second, here, text, CredentialUse::kRefused);
      if (!files.emplace(name, std::move(text)).second) yaml_.FaultAt(pair.first, here, "is given twice");
    }
  }

  void ReadAgent(const YAML::Node& node, const std::string& where, std::vector<AgentSpec>& agents) {
    AgentSpec agent;
    Rule& rule = agent.rule;
    std::string prompt = "file";
    bool names_model = false;
    yaml_.Keys(node, where,
               {{"name", yaml_.Texts(rule.name)},
                {"program", yaml_.Texts(rule.program)},
                {"arguments", Templates(agent.arguments)},
                {"prompt", yaml_.Texts(prompt)},
                {"environment", [&](const YAML::Node& n, const std::string& at) { ReadEnvironment(n, at, agent); }},
                {"files", [&](const YAML::Node& n, const std::string& at) { ReadFiles(n, at, agent.files); }},
                {"network", Flag(rule.network)},
                {"sandbox", yaml_.SandboxWord(rule.sandbox_optional)},
                {"read_only", yaml_.Paths(rule.read_only)},
                {"writable", yaml_.Paths(rule.writable)},
                {"limits", [&](const YAML::Node& n, const std::string& at) { yaml_.ReadLimits(n, at, rule.limits); }},
                {"wake", [&](const YAML::Node& n, const std::string& at) { ReadWaking(n, at, agent.waking); }},
                {"names_model",
                 [&](const YAML::Node& n, const std::string& at) {
                   names_model = true;
                   ReadNaming(n, at, agent.naming);
                 }},
                {"model", [&](const YAML::Node& n, const std::string& at) { ReadModel(n, at, agent); }},
                {"result", [&](const YAML::Node& n, const std::string& at) { ReadDeclared(n, at, agent.declared); }},
                {"success_exit_codes",
                 [&](const YAML::Node& n, const std::string& at) { ReadExitCodes(n, at, agent.success_exit_codes); }},
                {"inactivity", yaml_.Time(agent.inactivity)}});
    if (!node.IsMap()) return;
    if (!IsYamlName(rule.name, "_-.")) {
      yaml_.FaultAt(node, where + ".name", "must be letters, digits, '_', '-' and '.', at most 100");
    }
    if (!IsPlainPath(rule.program)) {
      yaml_.FaultAt(node, where + ".program", "must be an absolute path without '.', '..' and '//'");
    } else if (IsShell(rule.program)) {
      yaml_.FaultAt(node, where + ".program", "is a shell or starts what it is told; name the agent's program");
    }
    if (prompt != "file" && prompt != "stdin") yaml_.FaultAt(node, where + ".prompt", "must be file or stdin");
    agent.prompt_by_stdin = prompt == "stdin";
    if (!agent.prompt_by_stdin && !Uses(agent, "prompt_file")) {
      yaml_.FaultAt(node, where + ".prompt", "nothing tells the agent its prompt: use {prompt_file}, or prompt: stdin");
    }
    if (!names_model) {
      yaml_.FaultAt(node, where + ".names_model", "is missing: work counts only once the agent has named its model");
    }
    if (Uses(agent, "model") && agent.model.name.empty() && !agent.routed) {
      yaml_.FaultAt(node, where + ".model", "needs a name or routed: true, since {model} is used");
    }
    for (const std::string& file : {agent.waking.file, agent.naming.file, agent.declared.file}) {
      if (!file.empty() && agent.files.contains(file)) {
        yaml_.FaultAt(node, where + ".files." + file, "is a file that the agent is to write");
      }
    }
    for (const AgentSpec& other : agents) {
      if (other.name() == rule.name) yaml_.FaultAt(node, where + ".name", "is the name of another agent");
    }
    agents.push_back(std::move(agent));
  }

  StrictYaml yaml_;
};

}  // namespace

absl::StatusOr<std::vector<AgentSpec>> ParseAgents(std::string_view yaml) { return Reader().Read(yaml); }

absl::StatusOr<std::vector<AgentSpec>> LoadAgents(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadOwnFile(path, "agents"));
  absl::StatusOr<std::vector<AgentSpec>> agents = ParseAgents(text);
  if (!agents.ok()) return Annotate(agents.status(), path);
  return agents;
}

}  // namespace switchyard::executor::external
