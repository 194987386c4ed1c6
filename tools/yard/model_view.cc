#include "tools/yard/model_view.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;

void Line(std::string& card, std::string_view name, std::string_view value, Tone tone, bool color) {
  if (value.empty()) return;
  const std::string padded = absl::StrCat(ToAbsl(name), std::string(name.size() < 13 ? 13 - name.size() : 1, ' '));
  absl::StrAppend(&card, Paint(padded, Tone::kFaint, color), Paint(OneLine(value), tone, color), "\n");
}

Tone ToneOf(mr::EndpointState state) {
  switch (state) {
    case mr::ENDPOINT_STATE_HEALTHY:
      return Tone::kGood;
    case mr::ENDPOINT_STATE_LOADING:
    case mr::ENDPOINT_STATE_BUSY:
      return Tone::kActive;
    case mr::ENDPOINT_STATE_RATE_LIMITED:
    case mr::ENDPOINT_STATE_RECOVERING:
      return Tone::kWaiting;
    case mr::ENDPOINT_STATE_MISCONFIGURED:
    case mr::ENDPOINT_STATE_FAILING:
    case mr::ENDPOINT_STATE_OPEN:
      return Tone::kBad;
    default:
      return Tone::kFaint;
  }
}

Tone ToneOf(mr::Warmth warmth) {
  switch (warmth) {
    case mr::WARMTH_WARM:
      return Tone::kGood;
    case mr::WARMTH_LOADING:
      return Tone::kActive;
    case mr::WARMTH_ABSENT:
      return Tone::kBad;
    default:
      return Tone::kFaint;
  }
}

std::string TokenText(std::int64_t tokens) {
  if (tokens <= 0) return "";
  if (tokens % 1024 == 0 && tokens < 1024 * 1024) return absl::StrCat(tokens / 1024, "Ki");
  return tokens % 1000 == 0 ? absl::StrCat(tokens / 1000, "k") : absl::StrCat(tokens);
}

std::string RateText(bool known, std::int64_t micros) { return known ? DollarText(micros) : "?"; }

// "$3 in, $15 out": a million tokens.
std::string PriceText(const mr::Model& model) {
  if (model.free()) return "free";
  const mr::Rates& rates = model.rates();
  if (!rates.has_input() && !rates.has_output()) return "unknown";
  return absl::StrCat(RateText(rates.has_input(), rates.input()), " / ", RateText(rates.has_output(), rates.output()));
}

std::string CauseOf(const mr::EndpointStatus& status, const ViewTimes& times) {
  if (status.has_retry_time()) {
    return absl::StrCat(status.cause(), "; until ", TimeText(FromProto(status.retry_time()), times.now, times.form));
  }
  return status.cause();
}

int CountWarm(const mr::EndpointStatus& status) {
  return static_cast<int>(std::count_if(status.models().begin(), status.models().end(),
                                        [](const mr::PlacedModel& m) { return m.warmth() == mr::WARMTH_WARM; }));
}

std::string LevelText(const mr::CheckLevel& level, const ViewTimes& times) {
  if (level.verdict() == mr::VERDICT_UNKNOWN) return "unknown";
  return absl::StrCat(Text(level.verdict()), " ", TimeText(FromProto(level.time()), times.now, times.form),
                      level.message().empty() ? "" : absl::StrCat(": ", level.message()));
}

Tone ToneOf(mr::Verdict verdict) {
  return verdict == mr::VERDICT_GOOD ? Tone::kGood : verdict == mr::VERDICT_BAD ? Tone::kBad : Tone::kFaint;
}

std::string BreakerText(const mr::Breaker& breaker, const ViewTimes& times) {
  if (breaker.open()) {
    return absl::StrCat("open until ", TimeText(FromProto(breaker.open_until()), times.now, times.form), ", opened ",
                        breaker.times_opened(), " times; last failure: ", breaker.last_failure());
  }
  if (breaker.allowance() > 0) return absl::StrCat("recovering, lets in ", breaker.allowance(), " at once");
  if (breaker.failures_in_row() > 0) {
    return absl::StrCat("closed; ", breaker.failures_in_row(), " failures in a row, last: ", breaker.last_failure());
  }
  return "closed";
}

std::string PlacedTable(const mr::Endpoint& endpoint, const ViewTimes& times, const OutputStyle& style) {
  Table table;
  table.columns = {{"MODEL"},
                   {"STATE"},
                   {.title = "CONTEXT", .right = true},
                   {.title = "BUSY", .right = true},
                   {.title = "FIRST TOKEN", .right = true},
                   {.title = "TOKENS/S", .right = true},
                   {"DROPPED"},
                   {"NOTE"}};
  for (const mr::PlacedModel& model : endpoint.status().models()) {
    std::vector<std::string> notes;
    if (model.disabled()) notes.emplace_back("disabled");
    if (model.remote()) notes.emplace_back("remote");
    if (model.keep_warm()) notes.emplace_back("kept warm");
    if (!model.free() && model.priced_as().empty()) notes.emplace_back("price unknown");
    const std::map<std::string, std::int64_t> options(model.options().begin(), model.options().end());
    if (!options.empty()) notes.push_back(absl::StrJoin(options, " ", absl::PairFormatter("=")));
    const mr::Latencies& took = model.latencies();
    table.rows.push_back(
        {{model.model()},
         {Text(model.warmth()), ToneOf(model.warmth())},
         {TokenText(model.context_window())},
         {absl::StrCat(model.in_flight(), "/", model.capacity())},
         {took.has_first_token_p50() ? SpanText(FromProto(took.first_token_p50())) : ""},
         {took.tokens_per_second() > 0 ? absl::StrFormat("%.0f", took.tokens_per_second()) : ""},
         {model.has_expire_time() ? TimeText(FromProto(model.expire_time()), times.now, times.form) : ""},
         {absl::StrJoin(notes, ", ")}});
  }
  return RenderTable(table, {.wide = false, .color = style.color, .columns = style.columns});
}

}  // namespace

std::string DollarText(std::int64_t micros) {
  std::string text = absl::StrFormat("$%d.%06d", micros / 1'000'000, micros % 1'000'000);
  const std::size_t keep = text.find('.') + 3;
  while (text.size() > keep && text.back() == '0') text.pop_back();
  if (text.size() == keep && text.substr(keep - 3) == ".00") text.resize(keep - 3);
  return text;
}

std::optional<std::int64_t> ParseDollars(std::string_view text) {
  if (!text.empty() && text.front() == '$') text.remove_prefix(1);
  const std::size_t dot = std::min(text.find('.'), text.size());
  std::string places(dot < text.size() ? text.substr(dot + 1) : "");
  if (dot == 0 || dot > 9 || places.size() > 6 || (dot < text.size() && places.empty())) return std::nullopt;
  places.resize(6, '0');
  std::int64_t value = 0;
  for (const char c : std::string(text.substr(0, dot)) + places) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

Table EndpointTable(const google::protobuf::RepeatedPtrField<mr::Endpoint>& endpoints, const ViewTimes& times) {
  Table table;
  table.empty_note = "No endpoints. Add one: yard endpoint add NAME --kind KIND --url URL";
  table.columns = {{"NAME"},
                   {"KIND"},
                   {"STATE"},
                   {"SINCE"},
                   {.title = "BUSY", .right = true},
                   {.title = "WARM", .right = true},
                   {.title = "ID", .wide = true},
                   {.title = "URL", .wide = true},
                   {.title = "CHECKED", .wide = true},
                   {.title = "FROM", .wide = true},
                   {"CAUSE"}};
  for (const mr::Endpoint& endpoint : endpoints) {
    const mr::EndpointStatus& status = endpoint.status();
    table.rows.push_back({{endpoint.spec().name()},
                          {Text(endpoint.spec().kind())},
                          {Text(status.state()), ToneOf(status.state())},
                          {TimeText(FromProto(status.state_time()), times.now, times.form)},
                          {absl::StrCat(status.in_flight(), "/", status.capacity())},
                          {absl::StrCat(CountWarm(status), "/", status.models_size())},
                          {endpoint.endpoint_id()},
                          {endpoint.spec().url()},
                          {TimeText(FromProto(status.check_time()), times.now, times.form)},
                          {endpoint.origin() == mr::ORIGIN_FILE ? endpoint.origin_detail() : "api"},
                          {CauseOf(status, times)}});
  }
  return table;
}

std::string EndpointCard(const mr::Endpoint& endpoint, const ViewTimes& times, const OutputStyle& style) {
  const bool color = style.color;
  const mr::EndpointSpec& spec = endpoint.spec();
  const mr::EndpointStatus& status = endpoint.status();
  const auto when = [&](const google::protobuf::Timestamp& time) {
    return TimeText(FromProto(time), times.now, times.form);
  };
  std::string card;
  Line(card, "endpoint", spec.name(), Tone::kNone, color);
  Line(card, "id", endpoint.endpoint_id(), Tone::kNone, color);
  Line(card, "state", absl::StrCat(Text(status.state()), " ", when(status.state_time())), ToneOf(status.state()),
       color);
  Line(card, "cause", CauseOf(status, times), Tone::kNone, color);
  Line(card, "kind", absl::StrCat(Text(spec.kind()), status.server().empty() ? "" : ", ", status.server()), Tone::kNone,
       color);
  Line(card, "url", spec.url(), Tone::kNone, color);
  Line(card, "credential", spec.credential(), Tone::kNone, color);
  std::vector<std::string> marks;
  if (spec.local()) marks.emplace_back("local");
  if (spec.free()) marks.emplace_back("free");
  if (!spec.host().empty()) marks.push_back(absl::StrCat("on ", spec.host()));
  if (!spec.agent().empty()) marks.push_back(absl::StrCat("reached by agent ", spec.agent(), " only"));
  Line(card, "marks", absl::StrJoin(marks, ", "), Tone::kNone, color);
  Line(card, "from",
       endpoint.origin() == mr::ORIGIN_FILE
           ? absl::StrCat("file ", endpoint.origin_detail())
           : absl::StrCat("api, added by ", endpoint.created_by(), ", revision ", endpoint.revision()),
       Tone::kNone, color);
  Line(card, "process", LevelText(status.process(), times), ToneOf(status.process().verdict()), color);
  Line(card, "credentials", LevelText(status.credentials(), times), ToneOf(status.credentials().verdict()), color);
  Line(card, "models", LevelText(status.models_known(), times), ToneOf(status.models_known().verdict()), color);
  Line(card, "progress", LevelText(status.progress(), times), ToneOf(status.progress().verdict()), color);
  Line(card, "checked", status.has_check_time() ? when(status.check_time()) : "never", Tone::kNone, color);
  Line(card, "next check", status.has_next_check_time() ? when(status.next_check_time()) : "none", Tone::kNone, color);
  Line(card, "breaker", BreakerText(status.breaker(), times), status.breaker().open() ? Tone::kBad : Tone::kNone,
       color);
  Line(
      card, "busy",
      absl::StrCat(status.in_flight(), " of ", status.capacity(), " now, ", status.full_capacity(), " when well",
                   status.urgent_slots() > 0 ? absl::StrCat(", ", status.urgent_slots(), " kept for urgent work") : ""),
      Tone::kNone, color);
  if (!status.models().empty()) absl::StrAppend(&card, "\n", PlacedTable(endpoint, times, style));
  return card;
}

Table ModelTable(const google::protobuf::RepeatedPtrField<mr::ModelView>& models) {
  Table table;
  table.empty_note = "No models: no table is configured, and no endpoint has one.";
  table.columns = {{"MODEL"},
                   {"TIER"},
                   {.title = "CONTEXT", .right = true},
                   {"$ IN / OUT"},
                   {.title = "PROVIDER", .wide = true},
                   {.title = "SINCE", .wide = true},
                   {"NOTE"},
                   {"AT"}};
  for (const mr::ModelView& view : models) {
    const mr::Model& model = view.model();
    std::vector<std::string> places, notes;
    for (const mr::Place& place : view.places()) {
      places.push_back(absl::StrCat(place.endpoint(), " (", Text(place.placed().warmth()),
                                    place.placed().disabled() ? ", disabled" : "", ")"));
    }
    if (model.disabled()) notes.emplace_back("disabled");
    if (!model.deprecated().empty()) notes.push_back(absl::StrCat("use ", model.deprecated()));
    if (model.origin() == mr::ORIGIN_API) notes.emplace_back("set by hand");
    table.rows.push_back({{model.model()},
                          {Text(model.tier())},
                          {TokenText(model.context_window())},
                          {PriceText(model), PriceText(model) == "unknown" ? Tone::kWaiting : Tone::kNone},
                          {model.provider()},
                          {model.effective_from()},
                          {absl::StrJoin(notes, ", ")},
                          {absl::StrJoin(places, ", ")}});
  }
  return table;
}

std::string ModelCard(const mr::ModelView& view, const OutputStyle& style) {
  const bool color = style.color;
  const mr::Model& model = view.model();
  std::string card;
  Line(card, "model", model.model(), Tone::kNone, color);
  Line(card, "disabled", model.disabled() ? "everywhere" : "", Tone::kBad, color);
  if (!view.in_table()) Line(card, "table", "does not know it: price and context unknown", Tone::kWaiting, color);
  Line(card, "aliases", absl::StrJoin(model.aliases(), ", "), Tone::kNone, color);
  Line(card, "provider", model.provider(), Tone::kNone, color);
  Line(card, "tier", Text(model.tier()), Tone::kNone, color);
  Line(card, "context", TokenText(model.context_window()), Tone::kNone, color);
  Line(card, "max output", TokenText(model.max_output()), Tone::kNone, color);
  Line(card, "price", PriceText(model), Tone::kNone, color);
  const mr::Rates& rates = model.rates();
  if (rates.has_cache_read()) Line(card, "cache read", DollarText(rates.cache_read()), Tone::kNone, color);
  if (rates.has_cache_write_5m()) Line(card, "cache 5m", DollarText(rates.cache_write_5m()), Tone::kNone, color);
  if (rates.has_cache_write_1h()) Line(card, "cache 1h", DollarText(rates.cache_write_1h()), Tone::kNone, color);
  for (const mr::PriceStep& step : model.steps()) {
    Line(card, absl::StrCat("> ", TokenText(step.above_input_tokens())),
         absl::StrCat(RateText(step.rates().has_input(), step.rates().input()), " / ",
                      RateText(step.rates().has_output(), step.rates().output())),
         Tone::kNone, color);
  }
  Line(card, "since", model.effective_from(), Tone::kNone, color);
  Line(card, "source", model.source(), Tone::kNone, color);
  Line(card, "use instead", model.deprecated(), Tone::kWaiting, color);
  for (const mr::Place& place : view.places()) {
    const mr::PlacedModel& placed = place.placed();
    Line(card, "at",
         absl::StrCat(place.endpoint(), " (", Text(place.state()), "): ", Text(placed.warmth()), ", ",
                      placed.in_flight(), " of ", placed.capacity(), " busy", placed.remote() ? ", remote" : "",
                      placed.disabled() ? ", disabled" : ""),
         placed.disabled() ? Tone::kBad : ToneOf(placed.warmth()), color);
  }
  return card;
}

Table RoleTable(const google::protobuf::RepeatedPtrField<mr::RoleProfile>& profiles) {
  Table table;
  table.empty_note = "No roles: model_registry.roles_folder is not configured.";
  table.columns = {{"ROLE"},    {.title = "VERSION", .right = true}, {"TIER"}, {"LOCAL"},
                   {"ALIASES"}, {.title = "FILE", .wide = true},     {"NOTE"}, {"MODELS"}};
  for (const mr::RoleProfile& profile : profiles) {
    table.rows.push_back({{profile.role()},
                          {absl::StrCat(profile.version())},
                          {Text(profile.tier())},
                          {profile.local_only() ? "only" : ""},
                          {absl::StrJoin(profile.aliases(), ", ")},
                          {profile.file()},
                          {profile.deprecated().empty() ? "" : absl::StrCat("use ", profile.deprecated())},
                          {absl::StrJoin(profile.models(), ", ")}});
  }
  return table;
}

}  // namespace switchyard::yard
