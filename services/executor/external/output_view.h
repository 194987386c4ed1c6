#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/executor/external/agent_spec.h"
#include "services/executor/external/secret_mask.h"
#include "services/executor/output_keeper.h"

namespace switchyard::executor::external {

// What is made of the output of one attempt's programs: log chunks without the credential, and the facts in the agent's
// own lines. Not thread-safe.
class OutputView {
 public:
  // Of small outputs, so that a JSON document of many lines is found.
  static constexpr std::size_t kWholeBytes = std::size_t{1} << 20;

  OutputView(const AgentSpec& agent, std::string secret, std::uint64_t log_bytes, OutputKeeper::Emit emit);

  // Of any program of the attempt. `of_agent`: its lines are looked at. Calls whose `gap` is set follow lost output.
  void Take(LogStream stream, std::string_view text, bool gap, bool of_agent, absl::Time now);
  // The agent's program is over: its last lines.
  void EndAgent(absl::Time now);
  // It runs again: what it said before counts no more.
  void BeginAgent();
  void Flush(absl::Time now) { keeper_.Flush(now); }
  // No more output. Once.
  void Finish(absl::Time now);

  // Seen in the agent's output.
  bool any() const { return seen_->any; }
  bool ready() const { return seen_->ready; }
  const std::optional<std::string>& model() const { return seen_->model.text(); }

  // What was declared: in the output as it came, or in the text of a file.
  struct Facts {
    std::string summary;
    std::optional<std::int64_t> input_tokens;
    std::optional<std::int64_t> cached_input_tokens;
    std::optional<std::int64_t> cache_write_tokens;
    std::optional<std::int64_t> output_tokens;
    // In millionths of a dollar.
    std::optional<std::int64_t> cost_micros;
  };
  Facts DeclaredInOutput() const { return seen_->declared.Read(); }
  Facts DeclaredIn(std::string_view file) const;

  const OutputKeeper& keeper() const { return keeper_; }
  const SecretMask& mask() const { return mask_; }

 private:
  struct Finders {
    explicit Finders(const Declared& declared);
    void Line(std::string_view line);
    void Document(std::string_view text);
    Facts Read() const;

    Finder summary, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, cost;
  };

  // Of one run of the agent.
  struct Seen {
    explicit Seen(const AgentSpec& agent);

    LineCutter cutters[2];
    bool any = false;
    bool ready = false;
    Finder model;
    Finder waking;
    Finders declared;
    // Of standard output; given up once it is too long.
    std::optional<std::string> whole = std::string();
  };

  void Line(std::string_view line);
  // Text that is safe to show.
  void Pass(LogStream stream, std::string_view text, bool of_agent, absl::Time now);

  const AgentSpec& agent_;
  const SecretMask mask_;
  SecretMask streams_;
  OutputKeeper keeper_;
  std::unique_ptr<Seen> seen_;
};

}  // namespace switchyard::executor::external
