// Finds secrets in files. Sharper than redaction, which errs towards hiding: what is only named like a secret counts
// when it also looks like one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::executor::checks {

struct FoundSecret {
  // From 0.
  std::uint64_t offset = 0;
  // Itself: never to be shown.
  std::string value;
  // "a private key", "a token", "a password in a URL", "the value of a key that names a secret".
  std::string_view kind;
};

// In one text. Private keys; tokens known by their form; passwords in URLs; values of keys such as `password`, when
// they stand in quotes or fill their line, are at least eight characters with letters and digits and no placeholder.
std::vector<FoundSecret> FindSecrets(std::string_view text);

// The same for text in pieces, in bounded memory: a secret is found as long as it is shorter than kOverlap.
class SecretScanner {
 public:
  static constexpr std::size_t kWindow = std::size_t{1} << 20;
  static constexpr std::size_t kOverlap = 48 * 1024;

  // Hears of each secret once, with its line, from 1.
  using Hear = std::function<void(const FoundSecret& secret, std::uint64_t line)>;
  explicit SecretScanner(Hear hear) : hear_(std::move(hear)) {}

  void Push(std::string_view piece);
  // The rest. Once.
  void Finish();

 private:
  void Scan(bool last);

  const Hear hear_;
  std::string window_;
  // Of the window's begin, and of its first line.
  std::uint64_t offset_ = 0;
  std::uint64_t line_ = 1;
  // Secrets before this were told of.
  std::uint64_t told_ = 0;
};

}  // namespace switchyard::executor::checks
