#include "services/verification/judge.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/model_family.h"
#include "libs/text/utf8.h"
#include "nlohmann/json.hpp"

namespace switchyard::verification {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostAnswer = 64 * 1024;
constexpr std::size_t kMostIssues = 64;
constexpr std::size_t kMostWhere = 500;
constexpr std::size_t kMostDescription = 1'000;
constexpr int kMostDepth = 8;
// What a task may exclude.
constexpr std::size_t kMostFamilies = 16;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "JUDGE_MALFORMED",
                   absl::StrCat("the judge's answer ", ToAbsl(what)));
}

// Without the code fence around it, if there is one.
absl::string_view Bare(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (!absl::StartsWith(text, "```") || !absl::EndsWith(text, "```") || text.size() < 6) return text;
  const std::size_t line = text.find('\n');
  if (line == absl::string_view::npos) return text;
  text = text.substr(line + 1);
  text.remove_suffix(3);
  return absl::StripAsciiWhitespace(text);
}

std::string TextOf(const Json& json, std::size_t most) {
  std::string text = json.get<std::string>();
  std::replace(text.begin(), text.end(), '\0', ' ');
  absl::StripAsciiWhitespace(&text);
  return std::string(text::TruncateUtf8(text, most));
}

std::optional<Severity> SeverityOf(const Json& json) {
  if (!json.is_string()) return std::nullopt;
  const std::string word = absl::AsciiStrToLower(json.get<std::string>());
  if (word == "low") return Severity::kLow;
  if (word == "medium") return Severity::kMedium;
  if (word == "high") return Severity::kHigh;
  return std::nullopt;
}

absl::StatusOr<JudgeIssue> IssueOf(const Json& json) {
  if (!json.is_object()) return Malformed("has an issue that is no object");
  const auto severity = json.find("severity"), where = json.find("where"), description = json.find("description");
  if (severity == json.end() || where == json.end() || description == json.end() || json.size() != 3) {
    return Malformed("has an issue without severity, where and description, or with more");
  }
  const std::optional<Severity> known = SeverityOf(*severity);
  if (!known.has_value()) return Malformed("has an issue of unknown severity");
  if (!where->is_string() || !description->is_string()) return Malformed("has an issue whose texts are none");
  JudgeIssue issue{*known, TextOf(*where, kMostWhere), TextOf(*description, kMostDescription)};
  if (issue.where.empty() || issue.description.empty()) return Malformed("has an issue that says nothing");
  return issue;
}

// Nothing unless it is an object that nests no deeper than any answer of ours, and names nothing twice: else it could
// say two things.
std::optional<Json> ReadObject(absl::string_view text) {
  std::vector<std::vector<std::string>> open;
  bool sound = true;
  const auto hear = [&](int depth, Json::parse_event_t event, Json& parsed) {
    sound = sound && depth <= kMostDepth;
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end && !open.empty()) open.pop_back();
    if (event == Json::parse_event_t::key && !open.empty()) {
      std::string name = parsed.get<std::string>();
      sound = sound && std::find(open.back().begin(), open.back().end(), name) == open.back().end();
      open.back().push_back(std::move(name));
    }
    return true;
  };
  Json json = Json::parse(text.begin(), text.end(), hear, /*allow_exceptions=*/false);
  if (!sound || json.is_discarded() || !json.is_object()) return std::nullopt;
  return json;
}

Judgement Inconclusive(Judgement judgement, std::string_view message) {
  judgement.state = JudgeState::kInconclusive;
  judgement.message = message;
  return judgement;
}

bool HasIssueFrom(const std::vector<JudgeIssue>& issues, Severity least) {
  return std::any_of(issues.begin(), issues.end(), [&](const JudgeIssue& issue) { return issue.severity >= least; });
}

std::string_view WordOf(Severity severity) {
  return severity == Severity::kHigh ? "high" : severity == Severity::kMedium ? "medium" : "low";
}

}  // namespace

bool NeedsJudge(const Work& work, const Policy& policy, const Assessment& assessment) {
  if (!assessment.passed || !work.uses_model || work.complexity == Complexity::kTrivial) return false;
  switch (policy.judge) {
    case JudgeRule::kNever:
      return false;
    case JudgeRule::kComplex:
      return work.complexity != Complexity::kStandard;
    case JudgeRule::kAlways:
      return true;
  }
  return false;
}

std::optional<std::vector<std::string>> AuthorFamilies(const Work& work) {
  std::vector<std::string> families;
  const std::vector<std::string>& authors = work.models.empty() ? work.assigned_models : work.models;
  if (authors.empty()) return std::nullopt;
  for (const std::string& model : authors) {
    const std::string_view family = text::ModelFamily(model);
    if (family.empty()) return std::nullopt;
    families.emplace_back(family);
  }
  for (const std::string& model : work.assigned_models) {
    if (const std::string_view family = text::ModelFamily(model); !family.empty()) families.emplace_back(family);
  }
  std::sort(families.begin(), families.end());
  families.erase(std::unique(families.begin(), families.end()), families.end());
  if (families.size() > kMostFamilies) return std::nullopt;
  return families;
}

absl::StatusOr<JudgeAnswer> ParseJudgeAnswer(std::string_view text) {
  if (text.size() > kMostAnswer) return Malformed("is too long");
  if (!text::IsValidUtf8(text)) return Malformed("is not UTF-8");
  const absl::string_view bare = Bare(ToAbsl(text));
  if (bare.empty()) return MakeError(absl::StatusCode::kInvalidArgument, "JUDGE_EMPTY", "the judge's answer is empty");
  const std::optional<Json> json = ReadObject(bare);
  if (!json.has_value()) return Malformed("is no JSON object, or one that names something twice");
  const auto passed = json->find("passed"), issues = json->find("issues"), confidence = json->find("confidence");
  if (passed == json->end() || issues == json->end() || confidence == json->end() || json->size() != 3) {
    return Malformed("holds something else than passed, issues and confidence");
  }
  if (!passed->is_boolean()) return Malformed("does not say whether the work passed");
  if (!confidence->is_number()) return Malformed("does not say how certain it is");
  if (!issues->is_array() || issues->size() > kMostIssues) return Malformed("has no list of at most 64 issues");
  JudgeAnswer answer{.passed = passed->get<bool>(), .issues = {}, .confidence = confidence->get<double>()};
  if (!std::isfinite(answer.confidence) || answer.confidence < 0 || answer.confidence > 1) {
    return Malformed("has a confidence that is not 0 to 1");
  }
  for (const Json& one : *issues) {
    absl::StatusOr<JudgeIssue> issue = IssueOf(one);
    if (!issue.ok()) return issue.status();
    answer.issues.push_back(*std::move(issue));
  }
  return answer;
}

Judgement Unjudged(std::string_view message, const std::vector<std::string>& author_families) {
  Judgement judgement;
  judgement.state = JudgeState::kUnjudged;
  judgement.author_family = absl::StrJoin(author_families, ",");
  judgement.message = message;
  return judgement;
}

Judgement Weigh(const absl::StatusOr<JudgeAnswer>& answer, std::string_view judge_model,
                const std::vector<std::string>& author_families, const Policy& policy) {
  Judgement judgement = Unjudged("", author_families);
  judgement.model = std::string(judge_model);
  judgement.family = std::string(text::ModelFamily(judge_model));
  if (judgement.family.empty()) {
    judgement.message = "the judge's family is not known, so it may be the author's";
    return judgement;
  }
  if (std::find(author_families.begin(), author_families.end(), judgement.family) != author_families.end()) {
    judgement.same_family = true;
    judgement.message = absl::StrCat("the judge was of the author's own family, ", judgement.family);
    return judgement;
  }
  if (!answer.ok()) return Inconclusive(std::move(judgement), ToStd(answer.status().message()));
  judgement.confidence = answer->confidence;
  judgement.issues = answer->issues;
  if (answer->issues.empty()) {
    return Inconclusive(std::move(judgement), answer->passed
                                                  ? "the judge passed the work and shows nothing that it looked at"
                                                  : "the judge rejected the work and names no issue");
  }
  if (answer->confidence < policy.least_confidence) {
    const std::string message = absl::StrFormat("the judge was not certain enough: %.2f, where %.2f is wanted",
                                                answer->confidence, policy.least_confidence);
    return Inconclusive(std::move(judgement), message);
  }
  if (answer->passed && HasIssueFrom(answer->issues, std::max(policy.least_severity, Severity::kMedium))) {
    return Inconclusive(std::move(judgement), "the judge passed the work and names an issue that would hold it back");
  }
  judgement.state = answer->passed ? JudgeState::kPassed : JudgeState::kRejected;
  if (!answer->passed && !HasIssueFrom(answer->issues, policy.least_severity)) {
    judgement.message = "rejected for issues that the policy does not mind";
  }
  return judgement;
}

Decision Combine(const Assessment& assessment, const Judgement& judgement, const Policy& policy) {
  Decision decision{assessment.verdict, assessment.reason, {}, assessment.permanent};
  std::vector<std::string> said;
  // What the checks failed is beyond any judge.
  if (assessment.passed) {
    const bool missing = judgement.state == JudgeState::kUnjudged;
    switch (judgement.state) {
      case JudgeState::kNotAsked:
      case JudgeState::kPending:
      case JudgeState::kPassed:
        break;
      case JudgeState::kRejected:
        if (!HasIssueFrom(judgement.issues, policy.least_severity)) {
          said.push_back(absl::StrCat("judge: ", judgement.message));
          break;
        }
        decision.verdict = Verdict::kFailed;
        decision.reason = "JUDGE_REJECTED";
        for (const JudgeIssue& issue : judgement.issues) {
          if (issue.severity < policy.least_severity) continue;
          said.push_back(
              absl::StrCat("judge, ", ToAbsl(WordOf(issue.severity)), ": ", issue.where, ": ", issue.description));
        }
        break;
      case JudgeState::kInconclusive:
      case JudgeState::kUnjudged:
        if (policy.judge_required) decision.verdict = Verdict::kFailed;
        decision.reason = missing ? "UNJUDGED" : "JUDGE_INCONCLUSIVE";
        said.push_back(absl::StrCat("unjudged: ", judgement.message));
        break;
    }
  }
  for (const std::vector<std::string>* some :
       {static_cast<const std::vector<std::string>*>(&said), &assessment.findings}) {
    for (const std::string& text : *some) {
      if (decision.findings.size() == kMostFindings) break;
      decision.findings.emplace_back(text::TruncateUtf8(text, kMostFindingBytes));
    }
  }
  return decision;
}

}  // namespace switchyard::verification
