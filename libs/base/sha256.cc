#include "libs/base/sha256.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "libs/base/hex.h"

namespace switchyard {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

const EVP_MD* Algorithm() {
  // Fetched once: looking it up at every use costs more than a short hash.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace

std::array<std::uint8_t, 32> Sha256(std::string_view text) {
  thread_local const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  std::array<std::uint8_t, 32> out;
  if (context == nullptr || EVP_DigestInit_ex2(context.get(), Algorithm(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), out.data(), nullptr) != 1) {
    std::fputs("SHA-256 failed\n", stderr);
    std::abort();
  }
  return out;
}

std::string Sha256Hex(std::string_view text) {
  const std::array<std::uint8_t, 32> digest = Sha256(text);
  return ToHex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace switchyard
