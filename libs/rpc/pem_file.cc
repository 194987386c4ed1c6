#include "libs/rpc/pem_file.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <iterator>
#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::rpc {
namespace {

absl::Status Refuse(std::string_view path, std::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "TLS_FILES",
                   absl::StrCat("cannot use ", ToAbsl(path), ": ", ToAbsl(why)));
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

Bio Memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free_all);
}

}  // namespace

absl::StatusOr<std::string> ReadPem(const std::string& path, std::string_view label) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Refuse(path, "it does not exist or may not be read");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.find("-----BEGIN ") == std::string::npos ||
      text.find(absl::StrCat(ToAbsl(label), "-----")) == std::string::npos) {
    return Refuse(path, absl::StrCat("it holds no PEM block of ", ToAbsl(label)));
  }
  return text;
}

absl::Status CheckKeyMatches(std::string_view cert_file, const std::string& certificate, std::string_view key_file,
                             const std::string& key) {
  const Bio cert_bio = Memory(certificate);
  const std::unique_ptr<X509, decltype(&X509_free)> cert(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr),
                                                         &X509_free);
  if (cert == nullptr) return Refuse(cert_file, "it is no valid certificate");
  const Bio key_bio = Memory(key);
  // An empty pass phrase: never ask on the terminal.
  char none[] = "";
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> private_key(
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, none), &EVP_PKEY_free);
  if (private_key == nullptr) return Refuse(key_file, "it is no valid private key, or it asks for a pass phrase");
  if (X509_check_private_key(cert.get(), private_key.get()) != 1) {
    return Refuse(key_file, absl::StrCat("it is not the key of ", ToAbsl(cert_file)));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::rpc
