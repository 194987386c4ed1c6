#include "services/verification/verification_store.h"

#include <set>

namespace switchyard::verification {

Quality QualityOf(const std::vector<Mark>& newest_first) {
  std::set<std::string> heard;
  Quality quality = Quality::kUnknown;
  for (const Mark& mark : newest_first) {
    if (!heard.insert(mark.source).second) continue;
    if (!IsGood(mark.kind)) return Quality::kBad;
    quality = Quality::kGood;
  }
  return quality;
}

}  // namespace switchyard::verification
