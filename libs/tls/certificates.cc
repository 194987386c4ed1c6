#include "libs/tls/certificates.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/secure_bytes.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::tls {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using Memory = std::unique_ptr<BIO, Freer<BIO_free_all>>;

constexpr absl::Duration kBackdate = absl::Minutes(5);

absl::Status Failed(std::string_view what) {
  char text[256] = "unknown cause";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInternal, "TLS_FAILED", absl::StrCat("cannot ", ToAbsl(what), ": ", text));
}

absl::StatusOr<std::string> Pem(const X509& certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(memory.get(), &certificate) != 1) return Failed("write a certificate");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

absl::StatusOr<std::string> Pem(const EVP_PKEY& key) {
  const Memory memory(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PrivateKey(memory.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("write a key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

absl::Status Invalid(std::string_view field, std::string_view what) {
  return InvalidFields({{.field = std::string(field), .description = std::string(what)}});
}

bool IsName(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && text.front() != '.' && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return absl::ascii_islower(u) || absl::ascii_isdigit(u) || c == '.' || c == '-' || c == '_';
         });
}

bool IsIp(const std::string& host) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 || inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

// Everything that goes into the text was checked: it has a syntax of its own.
absl::StatusOr<std::string> AlternativeNames(const CertificateRequest& request) {
  if (!IsName(request.name, 64)) return Invalid("name", "must be 1 to 64 characters of [a-z0-9._-]");
  if (!IsName(request.trust_domain, 128)) return Invalid("trust_domain", "must be characters of [a-z0-9._-]");
  std::string names = absl::StrCat("URI:spiffe://", request.trust_domain, "/service/", request.name);
  for (const std::string& host : request.hosts) {
    const bool ip = IsIp(host);
    const std::string lower = absl::AsciiStrToLower(host);
    if (!ip && !IsName(lower, 253)) {
      return Invalid("host", absl::StrCat("\"", host, "\" is neither a DNS name nor an IP address"));
    }
    absl::StrAppend(&names, ip ? ",IP:" : ",DNS:", lower);
  }
  return names;
}

absl::Status AddExtension(X509& certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, &certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(&certificate, extension.get(), -1) != 1) {
    return Failed("add an extension to a certificate");
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificate> Begin(EVP_PKEY& key, std::string_view common_name, absl::Time from, absl::Time until) {
  Certificate certificate(X509_new());
  // Positive and of 127 bits.
  std::string serial = SecureBytes(16);
  serial[0] = static_cast<char>((static_cast<unsigned char>(serial[0]) & 0x7f) | 0x40);
  BIGNUM* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()), 16, nullptr);
  const bool numbered = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const std::string name(common_name);
  if (!numbered || X509_set_version(certificate.get(), 2) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(from)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(until)) == nullptr ||
      X509_set_pubkey(certificate.get(), &key) != 1 ||
      X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("Switchyard"), -1,
                                 -1, 0) != 1 ||
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                                 -1, 0) != 1) {
    return Failed("make a certificate");
  }
  return certificate;
}

absl::StatusOr<KeyPair> Sign(X509& certificate, const EVP_PKEY& key, EVP_PKEY& signer) {
  if (X509_sign(&certificate, &signer, EVP_sha256()) == 0) return Failed("sign a certificate");
  KeyPair pair;
  SY_ASSIGN_OR_RETURN(pair.certificate, Pem(certificate));
  SY_ASSIGN_OR_RETURN(pair.private_key, Pem(key));
  return pair;
}

absl::StatusOr<Key> MakeKey() {
  Key key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("make a key");
  return key;
}

}  // namespace

absl::StatusOr<KeyPair> MakeAuthority(std::string_view name, absl::Time now, absl::Duration lifetime) {
  if (!IsName(name, 64)) return Invalid("name", "must be 1 to 64 characters of [a-z0-9._-]");
  SY_ASSIGN_OR_RETURN(const Key key, MakeKey());
  SY_ASSIGN_OR_RETURN(const Certificate certificate, Begin(*key, name, now - kBackdate, now + lifetime));
  X509& self = *certificate;
  if (X509_set_issuer_name(&self, X509_get_subject_name(&self)) != 1) return Failed("name an issuer");
  SY_RETURN_IF_ERROR(AddExtension(self, &self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  SY_RETURN_IF_ERROR(AddExtension(self, &self, NID_key_usage, "critical,keyCertSign,cRLSign"));
  SY_RETURN_IF_ERROR(AddExtension(self, &self, NID_subject_key_identifier, "hash"));
  return Sign(self, *key, *key);
}

absl::StatusOr<KeyPair> IssueCertificate(const KeyPair& authority, const CertificateRequest& request, absl::Time now) {
  SY_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(request));
  const Memory issuer_pem(
      BIO_new_mem_buf(authority.certificate.data(), static_cast<int>(authority.certificate.size())));
  const Memory key_pem(BIO_new_mem_buf(authority.private_key.data(), static_cast<int>(authority.private_key.size())));
  const Certificate issuer(PEM_read_bio_X509(issuer_pem.get(), nullptr, nullptr, nullptr));
  const Key signer(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (issuer == nullptr || signer == nullptr || X509_check_private_key(issuer.get(), signer.get()) != 1) {
    ERR_clear_error();
    return Invalid("authority", "is not a certificate with its private key in PEM");
  }
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(issuer.get()), &end) != 1) return Failed("read the authority's end");
  const absl::Time authority_end = absl::FromTM(end, absl::UTCTimeZone());
  const absl::Time until = std::min(now + request.lifetime, authority_end);
  if (until <= now) return Invalid("authority", "has expired");

  SY_ASSIGN_OR_RETURN(const Key key, MakeKey());
  SY_ASSIGN_OR_RETURN(const Certificate certificate, Begin(*key, request.name, now - kBackdate, until));
  X509& self = *certificate;
  if (X509_set_issuer_name(&self, X509_get_subject_name(issuer.get())) != 1) return Failed("name an issuer");
  SY_RETURN_IF_ERROR(AddExtension(self, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  SY_RETURN_IF_ERROR(AddExtension(self, issuer.get(), NID_key_usage, "critical,digitalSignature"));
  SY_RETURN_IF_ERROR(AddExtension(self, issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth"));
  SY_RETURN_IF_ERROR(AddExtension(self, issuer.get(), NID_subject_key_identifier, "hash"));
  SY_RETURN_IF_ERROR(AddExtension(self, issuer.get(), NID_authority_key_identifier, "keyid:always"));
  SY_RETURN_IF_ERROR(AddExtension(self, issuer.get(), NID_subject_alt_name, names));
  return Sign(self, *key, *signer);
}

}  // namespace switchyard::tls
