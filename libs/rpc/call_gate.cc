#include "libs/rpc/call_gate.h"

#include <google/protobuf/descriptor.h>
#include <grpc/support/time.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/rpc/status_convert.h"
#include "switchyard/options/v1/options.pb.h"

namespace switchyard::rpc {
namespace {

constexpr std::size_t kMaxToken = 4096;
constexpr std::string_view kBearer = "bearer ";

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

absl::StatusOr<std::string_view> TokenOf(const Metadata& metadata) {
  const auto [begin, end] = metadata.equal_range("authorization");
  if (begin == end) return TokenMissing();
  if (std::next(begin) != end) return TokenInvalid();
  std::string_view value = View(begin->second);
  if (value.size() <= kBearer.size() || !absl::StartsWithIgnoreCase(ToAbsl(value), ToAbsl(kBearer))) {
    return TokenInvalid();
  }
  value.remove_prefix(kBearer.size());
  if (value.size() > kMaxToken) return TokenInvalid();
  for (const char c : value) {
    if (c <= ' ' || c > '~') return TokenInvalid();
  }
  return value;
}

std::optional<telemetry::TraceContext> TraceOf(const Metadata& metadata) {
  const auto found = metadata.find("traceparent");
  if (found == metadata.end()) return std::nullopt;
  return telemetry::TraceContext::Parse(View(found->second));
}

// What gRPC's own clock says is left; the injected clock need not agree with it about the date.
absl::Duration Remaining(gpr_timespec deadline) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return absl::InfiniteDuration();
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

std::string DomainOf(std::string_view service) {
  // "switchyard.task_queue.v1.TaskQueueService" → "switchyard.task_queue".
  const std::size_t name = service.rfind('.');
  const std::size_t version = name == std::string_view::npos ? name : service.rfind('.', name - 1);
  return std::string(service.substr(0, version == std::string_view::npos ? name : version));
}

}  // namespace

absl::Status Draining() {
  return MakeError(absl::StatusCode::kUnavailable, "this server is stopping; connect again",
                   {.reason = "DRAINING", .metadata = {}, .violations = {}, .retry_after = absl::Seconds(1)});
}

CallGate::CallGate(const Clock& clock, Rng& rng, telemetry::Metrics& metrics, Authenticator& authenticator,
                   CallLimits limits)
    : clock_(clock),
      rng_(rng),
      authenticator_(authenticator),
      limits_(limits),
      anonymous_(std::make_shared<const Principal>()),
      started_(
          metrics.Counters("grpc_server_call_started_total", "Calls that arrived, refused ones too.", {"grpc_method"})),
      duration_(metrics.Histograms("grpc_server_call_duration_seconds",
                                   "From a call's arrival to its answer; for streams their whole life.",
                                   {"grpc_method", "grpc_status"}, telemetry::LatencyBuckets(), 4'000)),
      in_flight_probe_(metrics.AddProbe("switchyard_rpc_calls_in_flight", "Unary calls under way.",
                                        [this] { return static_cast<double>(in_flight_.load()); })),
      streams_probe_(metrics.AddProbe("switchyard_rpc_streams_open", "Streams that are open.",
                                      [this] { return static_cast<double>(open_streams_.load()); })) {}

const Method& CallGate::Resolve(std::string_view service, std::string_view name) {
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(std::string(service));
  const auto* method = descriptor == nullptr ? nullptr : descriptor->FindMethodByName(std::string(name));
  if (method == nullptr) {
    LogError("no such method in any contract", {{"service", service}, {"method", name}});
    std::abort();
  }
  std::string full = absl::StrCat(ToAbsl(service), "/", ToAbsl(name));
  telemetry::Counter& started = started_.With({full});
  MutexLock lock(mutex_);
  for (const Method& known : methods_) {
    if (known.name == full) return known;
  }
  Method& made = methods_.emplace_back();
  made.name = std::move(full);
  made.domain = DomainOf(service);
  made.required_scope = method->options().GetExtension(options::v1::required_scope);
  made.started = &started;
  return made;
}

absl::Status CallGate::TakePlace(Kind kind) {
  // Both places are taken even by a call that is then refused, so that Leave() is the same for all.
  if (kind == Kind::kUnary) {
    if (in_flight_.fetch_add(1, std::memory_order_relaxed) < limits_.max_in_flight) return absl::OkStatus();
    return MakeError(absl::StatusCode::kResourceExhausted, "too many calls are under way",
                     {.reason = "SERVER_OVERLOADED",
                      .metadata = {{"max_in_flight", absl::StrCat(limits_.max_in_flight)}},
                      .violations = {},
                      .retry_after = absl::Milliseconds(100)});
  }
  const bool room = open_streams_.fetch_add(1, std::memory_order_relaxed) < limits_.max_streams;
  if (draining_.load(std::memory_order_relaxed)) return Draining();
  if (room) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, "too many streams are open",
                   {.reason = "TOO_MANY_STREAMS",
                    .metadata = {{"max_streams", absl::StrCat(limits_.max_streams)}},
                    .violations = {},
                    .retry_after = absl::Seconds(1)});
}

CallGate::Admission CallGate::Enter(const grpc::CallbackServerContext& call, const Method& method, Kind kind) {
  Admission admission;
  admission.start = clock_.Now();
  method.started->Add();
  admission.status = TakePlace(kind);
  if (!admission.status.ok()) return admission;
  const absl::Duration remaining = Remaining(call.raw_deadline());
  if (remaining == absl::InfiniteDuration() && kind == Kind::kUnary) {
    admission.status = MakeError(absl::StatusCode::kInvalidArgument, "DEADLINE_REQUIRED",
                                 "every call needs a deadline; this one has none");
    return admission;
  }
  if (remaining <= absl::ZeroDuration()) {
    admission.status =
        MakeError(absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline passed before the call ran");
    return admission;
  }
  std::shared_ptr<const Principal> principal;
  const Metadata& metadata = call.client_metadata();
  if (method.required_scope == options::v1::SCOPE_NONE) {
    principal = anonymous_;
  } else {
    const absl::StatusOr<std::string_view> token = TokenOf(metadata);
    if (!token.ok()) {
      admission.status = token.status();
      return admission;
    }
    admission.token = *token;
    principal = authenticator_.Cached(*token);
    if (principal != nullptr) admission.status = CheckScope(method, *principal);
    if (!admission.status.ok()) return admission;
  }
  admission.verified = principal != nullptr;
  const std::optional<telemetry::TraceContext> parent = TraceOf(metadata);
  admission.context = std::make_unique<CallContext>(
      clock_, std::move(principal), parent.has_value() ? parent->Child(rng_) : telemetry::TraceContext::New(rng_),
      admission.start, admission.start + remaining);
  return admission;
}

absl::Status CallGate::CheckScope(const Method& method, const Principal& principal) const {
  if (clock_.Now() >= principal.expire_time) return TokenInvalid();
  if (principal.scopes.Allows(method.required_scope)) return absl::OkStatus();
  const std::string& scope = options::v1::Scope_Name(method.required_scope);
  return MakeError(absl::StatusCode::kPermissionDenied, absl::StrCat("the token lacks ", scope),
                   {.reason = "SCOPE_MISSING",
                    .metadata = {{"required_scope", scope}},
                    .violations = {},
                    .retry_after = absl::ZeroDuration()});
}

void CallGate::Authenticate(std::string_view token, const Method& method, CallContext& context,
                            std::function<void(const absl::Status&)> then) {
  authenticator_.Authenticate(token, [this, &method, &context, then = std::move(then)](Authenticator::Result result) {
    if (!result.ok()) return then(result.status());
    const absl::Status allowed = CheckScope(method, **result);
    if (allowed.ok()) context.principal_ = *std::move(result);
    then(allowed);
  });
}

absl::Time CallGate::RecheckAt(absl::Duration recheck) { return clock_.Now() + recheck * (0.6 + 0.4 * rng_.Unit()); }

void CallGate::Recheck(std::string_view token, const Method& method, std::weak_ptr<StreamControl> stream) {
  authenticator_.AuthenticateAnew(token,
                                  [this, &method, stream = std::move(stream)](const Authenticator::Result& result) {
                                    // The stream being alive keeps its server, and so this gate, from going.
                                    const std::shared_ptr<StreamControl> open = stream.lock();
                                    if (open == nullptr) return;
                                    if (result.ok()) {
                                      if (const absl::Status allowed = CheckScope(method, **result); !allowed.ok())
                                        open->CloseWith(allowed);
                                    } else if (result.status().code() == absl::StatusCode::kUnauthenticated) {
                                      open->CloseWith(result.status());
                                    }
                                  });
}

grpc::Status CallGate::Leave(const Method& method, Kind kind, absl::Time start, const absl::Status& status,
                             const CallContext* context) {
  const auto code = static_cast<std::size_t>(status.code());
  std::atomic<telemetry::Histogram*>& slot = method.duration[code < method.duration.size() ? code : 2];
  telemetry::Histogram* histogram = slot.load(std::memory_order_acquire);
  if (histogram == nullptr) {
    const std::string name = status.ok() ? "OK" : absl::StatusCodeToString(status.code());
    histogram = &duration_.With({method.name, name});
    slot.store(histogram, std::memory_order_release);
  }
  histogram->Observe(clock_.Now() - start);
  (kind == Kind::kUnary ? in_flight_ : open_streams_).fetch_sub(1, std::memory_order_relaxed);
  if (status.ok()) return grpc::Status();
  if (status.code() == absl::StatusCode::kInternal || status.code() == absl::StatusCode::kUnknown ||
      status.code() == absl::StatusCode::kDataLoss) {
    const std::string_view trace = context == nullptr ? std::string_view() : context->trace().trace_id();
    LogError("call failed", {{"method", method.name}, {"error", status}, {"call_trace_id", trace}});
  }
  return ToGrpcStatus(status, method.domain);
}

void CallGate::DrainStreams() {
  draining_.store(true);
  streams_.CloseAll(Draining());
}

}  // namespace switchyard::rpc
