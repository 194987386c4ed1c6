#pragma once

#include <string>

#include "libs/base/strings.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

// What people call the agents that a task names by id. A hub that does not answer is asked once; then the id has to do.
// Not thread-safe.
class AgentNames {
 public:
  explicit AgentNames(Session& session) : session_(session) {}

  // The name, or the id where none can be had.
  std::string Of(const std::string& agent_id);
  // Reads the names of many agents at once.
  void Load();

 private:
  Session& session_;
  StringMap<std::string> names_;
  bool away_ = false;
};

}  // namespace switchyard::yard
