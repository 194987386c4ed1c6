#include "libs/base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <deque>
#include <utility>

#include "absl/time/civil_time.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status_text.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"

namespace switchyard {
namespace {

// A value longer than this is cut, so that one line stays one write.
constexpr std::size_t kMaxValue = 8 * 1024;

// Never freed: threads may log while the process ends.
std::atomic<const std::string*> g_service{nullptr};
std::atomic<LogLevel> g_least{LogLevel::kInfo};
std::atomic<LogWriter> g_writer{nullptr};

std::string& TraceId() {
  thread_local std::string id;
  return id;
}
std::string& SpanId() {
  thread_local std::string id;
  return id;
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

void AppendTwoDigits(int value, std::string& out) {
  out += static_cast<char>('0' + value / 10);
  out += static_cast<char>('0' + value % 10);
}

// 2030-01-02T03:04:05.678901Z
void AppendTime(std::int64_t micros, std::string& out) {
  thread_local std::int64_t second = -1;
  thread_local std::string shown;
  if (micros / 1'000'000 != second) {
    second = micros / 1'000'000;
    const absl::CivilSecond civil = absl::ToCivilSecond(absl::FromUnixSeconds(second), absl::UTCTimeZone());
    shown = std::to_string(civil.year());
    for (const auto& [mark, part] :
         {std::pair('-', civil.month()), std::pair('-', civil.day()), std::pair('T', civil.hour()),
          std::pair(':', civil.minute()), std::pair(':', civil.second())}) {
      shown += mark;
      AppendTwoDigits(part, shown);
    }
  }
  std::array<char, 8> fraction{'.', '0', '0', '0', '0', '0', '0', 'Z'};
  std::int64_t rest = micros % 1'000'000;
  for (std::size_t i = 6; i > 0; --i, rest /= 10) fraction[i] = static_cast<char>('0' + rest % 10);
  out += shown;
  out.append(fraction.data(), fraction.size());
}

void AppendEscape(unsigned char c, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
  }
}

void AppendQuoted(std::string_view text, std::string& out) {
  out += '"';
  std::size_t copied = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    std::size_t length = 1;
    if (c >= 0x80) {
      char32_t ignored;
      length = text::DecodeUtf8(text.substr(i), &ignored);
      if (length > 0) {
        i += length;
        continue;
      }
    }
    out.append(text.substr(copied, i - copied));
    if (c >= 0x80) {
      out += "\xEF\xBF\xBD";
    } else {
      AppendEscape(c, out);
    }
    copied = ++i;
  }
  out.append(text.substr(copied));
  out += '"';
}

void AppendText(std::string_view text, std::string& out) {
  // Redacted before it is cut, and with a margin, so that the cut never leaves the beginning of a secret unrecognised.
  thread_local std::string redacted;
  redacted.clear();
  text::AppendRedacted(text::TruncateUtf8(text, 2 * kMaxValue), redacted);
  if (redacted.size() > kMaxValue) {
    redacted.resize(text::TruncateUtf8(redacted, kMaxValue).size());
    redacted += "[cut]";
  }
  AppendQuoted(redacted, out);
  if (redacted.capacity() > 4 * kMaxValue) redacted = std::string();
}

template <class Number>
void AppendNumber(Number value, std::string& out) {
  std::array<char, 40> digits;
  const std::to_chars_result result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), static_cast<std::size_t>(result.ptr - digits.data()));
}

void AppendField(const LogField& field, std::string& out) {
  out += ',';
  AppendQuoted(field.name, out);
  out += ':';
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    if (!text->empty() && text::NamesSecret(field.name)) {
      AppendQuoted(text::kRedacted, out);
    } else {
      AppendText(*text, out);
    }
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    AppendNumber(*number, out);
  } else if (const auto* real = std::get_if<double>(&field.value)) {
    if (std::isfinite(*real)) {
      AppendNumber(*real, out);
    } else {
      out += std::isnan(*real) ? "\"NaN\"" : (*real > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    }
  }
}

void Write(std::string_view line) {
  if (const LogWriter writer = g_writer.load(std::memory_order_acquire); writer != nullptr) {
    writer(line);
    return;
  }
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

LogField::LogField(std::string_view name, const absl::Status& value) : name(name), value(ToText(value)) {}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < g_least.load(std::memory_order_relaxed)) return;
  try {
    std::string line;
    line.reserve(256);
    line += "{\"ts\":\"";
    AppendTime(absl::GetCurrentTimeNanos() / 1000, line);
    line += "\",\"level\":\"";
    line += NameOf(level);
    line += '"';
    if (const std::string* service = g_service.load(std::memory_order_acquire); service != nullptr) {
      line += ",\"svc\":";
      AppendQuoted(*service, line);
    }
    line += ",\"msg\":";
    AppendText(message, line);
    for (const LogField& field : fields) AppendField(field, line);
    if (const std::string& trace = TraceId(); !trace.empty()) {
      line += ",\"trace_id\":";
      AppendQuoted(trace, line);
      line += ",\"span_id\":";
      AppendQuoted(SpanId(), line);
    }
    line += "}\n";
    Write(line);
  } catch (...) {
    // Out of memory: a lost line is better than a lost process.
  }
}

void ConfigureLog(std::string_view service, LogLevel least) {
  // Former names stay alive, since another thread may be reading one.
  static Mutex& mutex = *new Mutex;
  static std::deque<std::string>& names = *new std::deque<std::string>;
  MutexLock lock(mutex);
  g_service.store(&names.emplace_back(service), std::memory_order_release);
  g_least.store(least, std::memory_order_relaxed);
}

void SetLogWriter(LogWriter writer) { g_writer.store(writer, std::memory_order_release); }

ScopedTrace::ScopedTrace(std::string_view trace_id, std::string_view span_id)
    : former_trace_(std::exchange(TraceId(), std::string(trace_id))),
      former_span_(std::exchange(SpanId(), std::string(span_id))) {}

ScopedTrace::~ScopedTrace() {
  TraceId() = std::move(former_trace_);
  SpanId() = std::move(former_span_);
}

}  // namespace switchyard
