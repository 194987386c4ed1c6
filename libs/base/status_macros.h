#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SY_CONCAT_INNER_(a, b) a##b
#define SY_CONCAT_(a, b) SY_CONCAT_INNER_(a, b)

// Returns the status of `expression` from the enclosing function unless it is OK.
#define SY_RETURN_IF_ERROR(expression)                              \
  do {                                                              \
    if (absl::Status sy_status_ = (expression); !sy_status_.ok()) { \
      return sy_status_;                                            \
    }                                                               \
  } while (false)

// SY_ASSIGN_OR_RETURN(const Task task, store.Find(id));
#define SY_ASSIGN_OR_RETURN(declaration, expression) \
  SY_ASSIGN_OR_RETURN_(SY_CONCAT_(sy_status_or_, __LINE__), declaration, expression)
#define SY_ASSIGN_OR_RETURN_(status_or, declaration, expression) \
  auto status_or = (expression);                                 \
  if (!status_or.ok()) return std::move(status_or).status();     \
  declaration = *std::move(status_or)
