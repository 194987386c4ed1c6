#include "libs/rpc/wire_faults.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

constexpr std::size_t kMaxFaults = 100;
// As the parser's own.
constexpr int kMaxDepth = 100;

class Walker {
 public:
  // False when the bytes are no message. `path` is empty at the root.
  bool Walk(const Descriptor& type, std::string_view bytes, const std::string& path, int depth) {
    if (depth > kMaxDepth) return false;
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              static_cast<int>(bytes.size()));
    std::map<int, int> seen;
    while (const std::uint32_t tag = in.ReadTag()) {
      if (faults.size() >= kMaxFaults) return true;
      const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
      if (field == nullptr || WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
        if (!WireFormatLite::SkipField(&in, tag)) return false;
        continue;
      }
      std::uint32_t length = 0;
      if (!in.ReadVarint32(&length)) return false;
      const auto at = static_cast<std::size_t>(in.CurrentPosition());
      if (length > bytes.size() - at || !in.Skip(static_cast<int>(length))) return false;
      if (!Look(*field, bytes.substr(at, length), path, seen, depth)) return false;
    }
    return in.ConsumedEntireMessage() && in.CurrentPosition() == static_cast<int>(bytes.size());
  }

  std::vector<FieldViolation> faults;

 private:
  bool Look(const FieldDescriptor& field, std::string_view value, const std::string& path, std::map<int, int>& seen,
            int depth) {
    std::string name = path.empty() ? field.name() : absl::StrCat(path, ".", field.name());
    if (field.is_map()) return LookAtEntry(*field.message_type(), value, name, depth);
    if (field.is_repeated()) absl::StrAppend(&name, "[", seen[field.number()]++, "]");
    if (field.type() == FieldDescriptor::TYPE_STRING && !text::IsValidUtf8(value)) {
      faults.push_back({.field = std::move(name), .description = "must be UTF-8"});
    }
    if (field.type() != FieldDescriptor::TYPE_MESSAGE) return true;
    return Walk(*field.message_type(), value, name, depth + 1);
  }

  // An entry of a map is a message of a key and a value, and is named by its key.
  bool LookAtEntry(const Descriptor& entry, std::string_view bytes, const std::string& map, int depth) {
    Walker inner;
    if (!inner.Walk(entry, bytes, "", depth + 1)) return false;
    if (inner.faults.empty()) return true;
    std::string key;
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              static_cast<int>(bytes.size()));
    while (const std::uint32_t tag = in.ReadTag()) {
      std::uint32_t length = 0;
      const bool is_key = WireFormatLite::GetTagFieldNumber(tag) == 1 &&
                          WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
      if (!is_key && !WireFormatLite::SkipField(&in, tag)) return false;
      if (is_key && (!in.ReadVarint32(&length) || !in.ReadString(&key, static_cast<int>(length)))) return false;
    }
    const std::string name = absl::StrCat(map, "[\"", text::ReplaceInvalidUtf8(key), "\"]");
    for (FieldViolation& fault : inner.faults) {
      if (fault.field == "key") {
        faults.push_back({.field = map, .description = "a key must be UTF-8"});
      } else {
        // "value" or "value.more".
        faults.push_back({.field = absl::StrCat(name, fault.field.substr(5)), .description = fault.description});
      }
    }
    return true;
  }
};

}  // namespace

std::vector<FieldViolation> WireFaults(const Descriptor& type, std::string_view bytes) {
  Walker walker;
  const bool readable = walker.Walk(type, bytes, "", 0);
  if (walker.faults.size() > kMaxFaults) walker.faults.resize(kMaxFaults);
  if (!readable || walker.faults.empty()) {
    return {{.field = "", .description = absl::StrCat("the bytes are no ", type.full_name())}};
  }
  return std::move(walker.faults);
}

}  // namespace switchyard::rpc
