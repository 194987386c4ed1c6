// One JSON object per line on standard error: ts, level, svc, msg, then the fields given, with trace_id and span_id
// when the current thread has a trace. Values pass the redactor of libs/text before they leave the process.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace switchyard {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  LogField(std::string_view name, std::string_view value) : name(name), value(std::string(value)) {}
  LogField(std::string_view name, const char* value) : name(name), value(std::string(value)) {}
  LogField(std::string_view name, const std::string& value) : name(name), value(value) {}
  LogField(std::string_view name, bool value) : name(name), value(value) {}
  LogField(std::string_view name, double value) : name(name), value(value) {}
  LogField(std::string_view name, int value) : name(name), value(std::int64_t{value}) {}
  LogField(std::string_view name, long value) : name(name), value(std::int64_t{value}) {}
  LogField(std::string_view name, unsigned long value) : name(name), value(static_cast<std::int64_t>(value)) {}
  LogField(std::string_view name, absl::Duration value) : name(name), value(absl::FormatDuration(value)) {}
  // As ToText() of libs/base/status_text.h.
  LogField(std::string_view name, const absl::Status& value);

  std::string_view name;
  std::variant<std::string, bool, double, std::int64_t> value;
};

// Thread-safe; a line is written whole. `message` is constant text: what varies goes into fields.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
inline void LogDebug(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kDebug, m, f); }
inline void LogInfo(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kInfo, m, f); }
inline void LogWarning(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kWarning, m, f); }
inline void LogError(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kError, m, f); }

// Process-wide, set once by main before threads start.
void ConfigureLog(std::string_view service, LogLevel least);
// Where lines go; for tests. A null writer restores standard error.
using LogWriter = void (*)(std::string_view line);
void SetLogWriter(LogWriter writer);

// Sets the trace of the current thread for its lifetime; restores the former one at the end.
class ScopedTrace {
 public:
  ScopedTrace(std::string_view trace_id, std::string_view span_id);
  ~ScopedTrace();
  ScopedTrace(const ScopedTrace&) = delete;
  ScopedTrace& operator=(const ScopedTrace&) = delete;

 private:
  std::string former_trace_;
  std::string former_span_;
};

}  // namespace switchyard
