#include "services/router/tiers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"

namespace switchyard::router {
namespace {

// So many words of an instruction make it as hard as it gets.
constexpr double kManyWords = 4;
// Holds that only a person ends are looked at again less often.
constexpr int kPermanentHolds = 12;

bool IsLetter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80;
}

// Whether `text` begins with `word`, whose blanks stand for any white space.
bool BeginsWith(std::string_view text, std::string_view word) {
  std::size_t at = 0;
  for (const char c : word) {
    if (at >= text.size()) return false;
    if (c == ' ') {
      const std::size_t begin = at;
      while (at < text.size() && absl::ascii_isspace(static_cast<unsigned char>(text[at]))) ++at;
      if (at == begin) return false;
    } else if (absl::ascii_tolower(static_cast<unsigned char>(text[at++])) != c) {
      return false;
    }
  }
  return true;
}

bool IsSimple(const TaskFacts& facts, const TierRules& rules) {
  return !facts.task_type.empty() &&
         std::any_of(rules.simple_task_types.begin(), rules.simple_task_types.end(),
                     [&](const std::string& one) { return absl::EqualsIgnoreCase(one, facts.task_type); });
}

std::string DidYouMean(const std::string& meant) {
  return meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?");
}

// Works out one task's tier.
class TierFinder {
 public:
  TierFinder(const TaskFacts& facts, const Snapshot& snapshot, absl::Time now)
      : facts_(facts), snapshot_(snapshot), now_(now) {}

  std::variant<Tiering, Hold> Run() {
    if (facts_.kind != WorkKind::kPrompt) {
      tiering_.strategy = facts_.kind == WorkKind::kExternal ? Strategy::kExternal : Strategy::kLocalExec;
      tiering_.cause = Cause::kNoModel;
      return std::move(tiering_);
    }
    if (!facts_.role.empty()) {
      tiering_.role = snapshot_.FindRole(facts_.role);
      // Whatever else is said of the task: the role may be one that stays local.
      if (tiering_.role == nullptr) {
        return Permanent(HoldCode::kRoleUnknown, absl::StrCat("the role \"", facts_.role, "\" is unknown",
                                                              DidYouMean(snapshot_.SuggestRole(facts_.role))));
      }
    }
    StayLocal();
    FindBase();
    CountTries();
    if (facts_.pin.set()) {
      if (std::optional<Hold> hold = TakePin()) return *std::move(hold);
    } else if (std::optional<Hold> hold = KeepModel()) {
      return *std::move(hold);
    }
    UseRoleList();
    if (tiering_.role != nullptr && !tiering_.role->deprecated.empty()) {
      Say("ROLE_DEPRECATED", absl::StrCat("use ", tiering_.role->deprecated), ModelTier::kNone);
    }
    return std::move(tiering_);
  }

 private:
  void Say(std::string_view name, std::string detail, ModelTier tier) {
    tiering_.signals.push_back({.name = name, .detail = std::move(detail), .tier = tier});
  }
  Hold Permanent(HoldCode code, std::string message) const {
    return {.code = code,
            .message = std::move(message),
            .retry_time = now_ + kPermanentHolds * snapshot_.rules().hold,
            .permanent = true};
  }
  Hold Waiting(HoldCode code, std::string message) const {
    return {.code = code, .message = std::move(message), .retry_time = now_ + snapshot_.rules().hold};
  }

  void StayLocal() {
    const char* who = nullptr;
    if (facts_.local_only) {
      who = "task";
    } else if (tiering_.role != nullptr && tiering_.role->local_only) {
      who = "role";
    } else if (facts_.routine) {
      who = "routine";
    } else if (!snapshot_.rules().allow_cloud) {
      who = "configuration";
    }
    if (who == nullptr) return;
    tiering_.local_only = true;
    Say("LOCAL_ONLY", who, ModelTier::kNone);
  }

  void Base(Cause cause, ModelTier tier, std::string_view signal, std::string detail) {
    tiering_.cause = cause;
    tiering_.least = tier;
    Say(signal, std::move(detail), tier);
  }

  // What the task asks for by itself, whatever it met so far.
  void FindBase() {
    const Role* const role = tiering_.role;
    const bool role_says = role != nullptr && (role->tier != ModelTier::kNone || !role->models.empty());
    if (facts_.complexity == Complexity::kTrivial) {
      Base(Cause::kComplexity, ModelTier::kSmall, "COMPLEXITY", "trivial");
      tiering_.order = Order::kSmallest;
    } else if (facts_.complexity == Complexity::kStandard) {
      Base(Cause::kComplexity, ModelTier::kMedium, "COMPLEXITY", "standard");
    } else if (facts_.complexity == Complexity::kComplex) {
      Base(Cause::kComplexity, ModelTier::kLarge, "COMPLEXITY", "complex");
    } else if (IsSimple(facts_, snapshot_.rules().tiers)) {
      Base(Cause::kTaskType, ModelTier::kMedium, "TASK_TYPE", facts_.task_type);
      if (!role_says) Raise();
    } else if (role_says) {
      Base(Cause::kRole, std::max(role->tier, ModelTier::kSmall), "ROLE_PROFILE", role->role);
    } else if (facts_.routine) {
      Base(Cause::kRoutine, ModelTier::kMedium, "ROUTINE", "");
      Raise();
    } else if (!Raise()) {
      Base(Cause::kUnknown, ModelTier::kLarge, "NOTHING_KNOWN", "");
    }
    if (role != nullptr && tiering_.cause != Cause::kRole && role->tier > tiering_.least) {
      tiering_.least = role->tier;
      Say("ROLE_PROFILE", role->role, role->tier);
    }
    // A role's own list says itself what may be used.
    if (tiering_.cause != Cause::kRole || role->models.empty()) ToStrongestAllowed();
    if (tiering_.order != Order::kSmallest && tiering_.least < ModelTier::kLarge) tiering_.order = Order::kLocalFirst;
  }

  // The inference: whatever it finds asks for the strongest.
  bool Raise() {
    const TierRules& rules = snapshot_.rules().tiers;
    const std::size_t before = tiering_.signals.size();
    if (!facts_.words.empty()) Say("WORD", absl::StrJoin(facts_.words, ", "), ModelTier::kLarge);
    if (facts_.prompt.expected > rules.long_instruction_tokens) {
      Say("LENGTH", absl::StrCat(facts_.prompt.expected, " tokens"), ModelTier::kLarge);
    }
    if (facts_.effects != Effects::kWorkspace) {
      Say("EFFECTS", facts_.effects == Effects::kHost ? "host" : "network", ModelTier::kLarge);
    }
    if (tiering_.signals.size() == before) return false;
    tiering_.cause = Cause::kInferred;
    tiering_.least = ModelTier::kLarge;
    return true;
  }

  // Complex means the strongest that there is, not that nothing is done where nothing stronger exists.
  void ToStrongestAllowed() {
    const ModelTier strongest = snapshot_.Strongest(tiering_.local_only);
    if (strongest == ModelTier::kNone || tiering_.least <= strongest) return;
    tiering_.least = strongest;
    Say("STRONGEST_ALLOWED", std::string(NameOf(strongest)), ModelTier::kNone);
  }

  ModelTier TierOf(const FormerAttempt& attempt) const {
    if (const ModelRow* const row = snapshot_.FindRow(attempt.model); row != nullptr && row->tier != ModelTier::kNone) {
      return row->tier;
    }
    return attempt.tier > 0 && attempt.tier <= 3 ? static_cast<ModelTier>(attempt.tier) : ModelTier::kSmall;
  }

  // Each model has two tries, and one whose work failed its checks is not asked first again.
  void CountTries() {
    ModelTier above = ModelTier::kNone;
    for (std::size_t i = 0; i < facts_.former.size(); ++i) {
      const FormerAttempt& attempt = facts_.former[i];
      const ModelIndex model = snapshot_.FindModel(attempt.model);
      if (attempt.model.empty() || !CountsAsTry(attempt.outcome)) continue;
      bool had_it_before = false;
      for (std::size_t j = 0; j < i && !had_it_before; ++j) {
        const FormerAttempt& other = facts_.former[j];
        had_it_before =
            CountsAsTry(other.outcome) &&
            (model == ModelIndex::kUnknown ? other.model == attempt.model : snapshot_.FindModel(other.model) == model);
      }
      const bool failed_checks = attempt.outcome == AttemptOutcome::kVerificationFailed;
      if (!failed_checks && !had_it_before) continue;
      above = std::max(above, TierOf(attempt));
      Say(failed_checks ? "VERIFICATION_FAILED" : "TRIED_TWICE", attempt.model, ModelTier::kNone);
      if (model == ModelIndex::kUnknown) continue;
      auto& list = had_it_before ? tiering_.tried_out : tiering_.last_resort;
      if (std::find(list.begin(), list.end(), model) == list.end()) list.push_back(model);
    }
    if (above == ModelTier::kNone) return;
    escalated_ = true;
    const ModelTier strongest = snapshot_.Strongest(tiering_.local_only);
    ModelTier next = above == ModelTier::kLarge ? above : static_cast<ModelTier>(static_cast<int>(above) + 1);
    if (above == ModelTier::kLarge || (strongest != ModelTier::kNone && next > strongest)) {
      next = std::min(next, strongest == ModelTier::kNone ? next : strongest);
      Say("STRONGEST_TRIED", std::string(NameOf(next)), ModelTier::kNone);
    }
    if (!facts_.pin.set()) tiering_.cause = Cause::kEscalated;
    tiering_.least = std::max(tiering_.least, next);
    if (tiering_.least >= ModelTier::kLarge || tiering_.order == Order::kSmallest) tiering_.order = Order::kScore;
  }

  bool Placed(ModelIndex model) const {
    const auto slots = snapshot_.SlotsOf(model);
    return std::any_of(slots.begin(), slots.end(),
                       [&](std::uint32_t i) { return snapshot_.slots()[i].barred == Rejection::kNone; });
  }

  std::optional<Hold> TakePin() {
    const Pin& pin = facts_.pin;
    std::string missing;
    const Endpoint* const endpoint = pin.endpoint.empty() ? nullptr : snapshot_.FindEndpoint(pin.endpoint);
    const ModelIndex model = pin.model.empty() ? ModelIndex::kUnknown : snapshot_.FindModel(pin.model);
    if (!pin.endpoint.empty() && endpoint == nullptr) {
      missing = absl::StrCat("the pinned endpoint \"", pin.endpoint, "\" is unknown",
                             DidYouMean(snapshot_.SuggestEndpoint(pin.endpoint)));
    } else if (!pin.model.empty() && (model == ModelIndex::kUnknown || snapshot_.SlotsOf(model).empty())) {
      missing = absl::StrCat("no endpoint has the pinned model \"", pin.model, "\"",
                             model == ModelIndex::kUnknown ? DidYouMean(snapshot_.SuggestModel(pin.model)) : "");
    }
    if (!missing.empty() && !pin.allow_fallback) return Waiting(HoldCode::kPinUnavailable, std::move(missing));
    if (!pin.model.empty()) Say("MODEL_PIN", missing.empty() ? pin.model : missing, ModelTier::kNone);
    if (!pin.endpoint.empty()) Say("ENDPOINT_PIN", pin.endpoint, ModelTier::kNone);
    // It goes on as if nothing were pinned, and the signals say so.
    tiering_.leave_reason = "PIN_UNAVAILABLE";
    if (!missing.empty()) {
      tiering_.left = true;
      if (escalated_) tiering_.cause = Cause::kEscalated;
      return std::nullopt;
    }
    tiering_.cause = Cause::kPinned;
    tiering_.only_model = model;
    tiering_.only_endpoint = endpoint;
    tiering_.may_leave = pin.allow_fallback;
    return std::nullopt;
  }

  std::optional<Hold> KeepModel() {
    if (escalated_) return std::nullopt;
    const FormerAttempt* last = nullptr;
    for (const FormerAttempt& attempt : facts_.former) {
      if (!attempt.model.empty() && !attempt.nothing_sent && MayHaveBegun(attempt.outcome)) last = &attempt;
    }
    if (last == nullptr) return std::nullopt;
    const ModelIndex model = snapshot_.FindModel(last->model);
    const bool may_leave = facts_.pin.allow_fallback || snapshot_.rules().reroute_gone_models;
    if (model == ModelIndex::kUnknown || !Placed(model)) {
      if (!may_leave) {
        return Waiting(HoldCode::kNoModel, absl::StrCat("it was begun with ", last->model,
                                                        ", which no endpoint has any more; it goes on with another "
                                                        "model only if it is told to"));
      }
      Say("KEPT_MODEL", absl::StrCat(last->model, " is gone"), ModelTier::kNone);
      tiering_.leave_reason = "KEPT_MODEL_UNAVAILABLE";
      tiering_.left = true;
      return std::nullopt;
    }
    tiering_.cause = Cause::kKept;
    tiering_.only_model = model;
    tiering_.may_leave = facts_.pin.allow_fallback;
    tiering_.leave_reason = "KEPT_MODEL_UNAVAILABLE";
    Say("KEPT_MODEL", last->model, ModelTier::kNone);
    return std::nullopt;
  }

  // The list binds as long as a model in it is strong enough and did not have the task twice.
  void UseRoleList() {
    const Role* const role = tiering_.role;
    if (role == nullptr || role->models.empty()) return;
    for (const std::string& name : role->models) {
      const ModelIndex model = snapshot_.FindModel(name);
      const ModelRow* const row = snapshot_.FindRow(name);
      const ModelTier tier = row == nullptr || row->tier == ModelTier::kNone ? ModelTier::kSmall : row->tier;
      if (tier < tiering_.least) continue;
      if (std::find(tiering_.tried_out.begin(), tiering_.tried_out.end(), model) != tiering_.tried_out.end()) continue;
      tiering_.role_list = true;
      if (tiering_.order == Order::kLocalFirst) tiering_.order = Order::kScore;
      return;
    }
    Say("ROLE_TOO_WEAK", role->role, ModelTier::kNone);
  }

  const TaskFacts& facts_;
  const Snapshot& snapshot_;
  const absl::Time now_;
  Tiering tiering_;
  bool escalated_ = false;
};

}  // namespace

RaisingWords::RaisingWords(std::span<const std::string> words) {
  for (const std::string& word : words) {
    std::string lower = absl::AsciiStrToLower(word);
    absl::StripAsciiWhitespace(&lower);
    if (lower.empty()) continue;
    by_first_[static_cast<unsigned char>(lower.front())].push_back(words_.size());
    words_.push_back(std::move(lower));
  }
}

std::vector<std::string> RaisingWords::Find(std::span<const std::string_view> texts) const {
  std::vector<bool> seen(words_.size());
  for (const std::string_view text : texts) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (i > 0 && IsLetter(text[i - 1])) continue;
      const auto first = static_cast<unsigned char>(absl::ascii_tolower(static_cast<unsigned char>(text[i])));
      for (const std::size_t word : by_first_[first]) {
        if (!seen[word] && BeginsWith(text.substr(i), words_[word])) seen[word] = true;
      }
    }
  }
  std::vector<std::string> found;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (seen[i]) found.push_back(words_[i]);
  }
  return found;
}

void ReadText(const RaisingWords& words, std::span<const std::string_view> texts, TaskFacts& facts) {
  facts.prompt = {};
  for (const std::string_view text : texts) {
    if (text.empty()) continue;
    facts.prompt += text::EstimateTokens(text);
    facts.prompt += {text::kTokensPerMessage, text::kTokensPerMessage};
  }
  if (facts.prompt.expected > 0) facts.prompt += {text::kTokensPerChat, text::kTokensPerChat};
  facts.words = words.Find(texts);
}

std::variant<Tiering, Hold> FindTier(const TaskFacts& facts, const Snapshot& snapshot, absl::Time now) {
  return TierFinder(facts, snapshot, now).Run();
}

double StrengthScore(const TaskFacts& facts, const TierRules& rules) {
  const double length =
      std::min(1.0, static_cast<double>(facts.prompt.expected) /
                        static_cast<double>(std::max<std::int64_t>(rules.long_instruction_tokens, 1)));
  const double words = std::min(1.0, static_cast<double>(facts.words.size()) / kManyWords);
  const double extra = 0.25 * length + 0.25 * words;
  const bool raised = !facts.words.empty() || facts.prompt.expected > rules.long_instruction_tokens ||
                      facts.effects != Effects::kWorkspace;
  return IsSimple(facts, rules) && !raised ? extra : 0.5 + extra;
}

}  // namespace switchyard::router
