#include "services/executor/external/output_view.h"

#include <cmath>
#include <utility>

namespace switchyard::executor::external {
namespace {

std::optional<std::int64_t> Whole(const std::optional<double>& amount, double factor = 1) {
  if (!amount.has_value() || *amount * factor > 1e15) return std::nullopt;
  return static_cast<std::int64_t>(std::ceil(*amount * factor - 1e-6));
}

Extract InOutput(const Naming& naming) { return naming.by == NamedBy::kOutput ? naming.extract : Extract(); }

}  // namespace

OutputView::Finders::Finders(const Declared& declared)
    : summary(declared.summary),
      input_tokens(declared.input_tokens),
      cached_input_tokens(declared.cached_input_tokens),
      cache_write_tokens(declared.cache_write_tokens),
      output_tokens(declared.output_tokens),
      cost(declared.cost) {}

void OutputView::Finders::Line(std::string_view line) {
  for (Finder* finder : {&summary, &input_tokens, &cached_input_tokens, &cache_write_tokens, &output_tokens, &cost}) {
    finder->Line(line);
  }
}

void OutputView::Finders::Document(std::string_view text) {
  for (Finder* finder : {&summary, &input_tokens, &cached_input_tokens, &cache_write_tokens, &output_tokens, &cost}) {
    finder->Document(text);
  }
}

OutputView::Facts OutputView::Finders::Read() const {
  return {.summary = summary.text().value_or(""),
          .input_tokens = Whole(input_tokens.amount()),
          .cached_input_tokens = Whole(cached_input_tokens.amount()),
          .cache_write_tokens = Whole(cache_write_tokens.amount()),
          .output_tokens = Whole(output_tokens.amount()),
          .cost_micros = Whole(cost.amount(), 1e6)};
}

OutputView::OutputView(const AgentSpec& agent, std::string secret, std::uint64_t log_bytes, OutputKeeper::Emit emit)
    : agent_(agent),
      mask_(secret),
      streams_(std::move(secret)),
      keeper_(log_bytes, std::move(emit)),
      seen_(std::make_unique<Seen>(agent)) {}

OutputView::Seen::Seen(const AgentSpec& agent)
    : model(InOutput(agent.naming)),
      waking(agent.waking.output),
      declared(agent.declared.file.empty() ? agent.declared : Declared()) {}

void OutputView::BeginAgent() { seen_ = std::make_unique<Seen>(agent_); }

OutputView::Facts OutputView::DeclaredIn(std::string_view file) const {
  Finders finders(agent_.declared);
  finders.Document(file);
  return finders.Read();
}

void OutputView::Line(std::string_view line) {
  // The first counts: what comes later may be text of the model, or of the task.
  if (!seen_->model.text().has_value()) seen_->model.Line(line);
  seen_->declared.Line(line);
  if (!seen_->ready && agent_.waking.output.set()) {
    seen_->waking.Line(line);
    seen_->ready = seen_->waking.text().has_value();
  }
}

void OutputView::Pass(LogStream stream, std::string_view text, bool of_agent, absl::Time now) {
  if (text.empty()) return;
  keeper_.Append(stream, text, now);
  if (!of_agent) return;
  seen_->cutters[stream == LogStream::kOutput ? 0 : 1].Push(text, [this](std::string_view line) { Line(line); });
  if (stream != LogStream::kOutput || !seen_->whole.has_value()) return;
  if (seen_->whole->size() + text.size() > kWholeBytes) {
    seen_->whole.reset();
  } else {
    *seen_->whole += text;
  }
}

void OutputView::Take(LogStream stream, std::string_view text, bool gap, bool of_agent, absl::Time now) {
  if (of_agent && !text.empty()) seen_->any = true;
  Pass(stream, streams_.Push(stream, text, gap), of_agent, now);
}

void OutputView::EndAgent(absl::Time now) {
  for (const LogStream stream : {LogStream::kOutput, LogStream::kError}) {
    Pass(stream, streams_.Finish(stream), true, now);
    seen_->cutters[stream == LogStream::kOutput ? 0 : 1].Finish([this](std::string_view line) { Line(line); });
  }
  // A document in one line was read as that line.
  if (!seen_->whole.has_value() || seen_->whole->find('\n') == std::string::npos) return;
  const std::size_t first = seen_->whole->find_first_not_of(" \t\r\n");
  if (first == std::string::npos || ((*seen_->whole)[first] != '{' && (*seen_->whole)[first] != '[')) return;
  if (!seen_->model.text().has_value()) seen_->model.Document(*seen_->whole);
  if (agent_.declared.file.empty() && !seen_->declared.summary.text().has_value() &&
      !seen_->declared.output_tokens.text().has_value() && !seen_->declared.cost.text().has_value()) {
    seen_->declared.Document(*seen_->whole);
  }
}

void OutputView::Finish(absl::Time now) {
  for (const LogStream stream : {LogStream::kOutput, LogStream::kError}) {
    Pass(stream, streams_.Finish(stream), false, now);
  }
  keeper_.Finish(now);
}

}  // namespace switchyard::executor::external
