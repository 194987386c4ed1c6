#include "libs/tls/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::tls {
namespace {

using switchyard::testing::IsError;

X509* Read(const std::string& pem) {
  BIO* memory = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(memory, nullptr, nullptr, nullptr);
  BIO_free(memory);
  return certificate;
}

// As a TLS peer does: chain, purpose, time and name. X509_V_OK when all is well.
int Verify(const std::string& authority, const std::string& leaf, absl::Time at, int purpose, const char* host,
           const char* ip = nullptr) {
  X509* ca = Read(authority);
  X509* certificate = Read(leaf);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, ca);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, certificate, nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_time(rules, absl::ToTimeT(at));
  if (host != nullptr) X509_VERIFY_PARAM_set1_host(rules, host, 0);
  if (ip != nullptr) X509_VERIFY_PARAM_set1_ip_asc(rules, ip);
  const int result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  X509_free(certificate);
  X509_free(ca);
  return result;
}

class CertificatesTest : public ::testing::Test {
 protected:
  const absl::Time now_ = switchyard::testing::FakeClock().Now();
  const KeyPair authority_ = *MakeAuthority("test-ca", now_);
  const CertificateRequest request_{.name = "server", .hosts = {"yard.example.org", "192.0.2.7", "2001:db8::7"}};
};

TEST_F(CertificatesTest, VerifyForTheirNamesAndAddresses) {
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair pair, IssueCertificate(authority_, request_, now_));
  for (const int purpose : {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT}) {
    EXPECT_EQ(Verify(authority_.certificate, pair.certificate, now_, purpose, "yard.example.org"), X509_V_OK);
  }
  EXPECT_EQ(Verify(authority_.certificate, pair.certificate, now_, X509_PURPOSE_SSL_SERVER, nullptr, "192.0.2.7"),
            X509_V_OK);
  EXPECT_EQ(Verify(authority_.certificate, pair.certificate, now_, X509_PURPOSE_SSL_SERVER, nullptr, "2001:db8::7"),
            X509_V_OK);
}

TEST_F(CertificatesTest, DoNotVerifyForAnotherNameTimeOrAuthority) {
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair pair, IssueCertificate(authority_, request_, now_));
  const auto verify = [&](const std::string& authority, absl::Time at, const char* host) {
    return Verify(authority, pair.certificate, at, X509_PURPOSE_SSL_SERVER, host);
  };
  EXPECT_EQ(verify(authority_.certificate, now_, "other.example.org"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verify(authority_.certificate, now_ + request_.lifetime + absl::Seconds(1), "yard.example.org"),
            X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(verify(authority_.certificate, now_ - absl::Minutes(6), "yard.example.org"), X509_V_ERR_CERT_NOT_YET_VALID);
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair other, MakeAuthority("test-ca", now_));
  EXPECT_NE(verify(other.certificate, now_, "yard.example.org"), X509_V_OK);
}

TEST_F(CertificatesTest, CannotSignOthers) {
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair middle, IssueCertificate(authority_, request_, now_));
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair leaf, IssueCertificate(middle, request_, now_));
  EXPECT_NE(Verify(middle.certificate, leaf.certificate, now_, X509_PURPOSE_SSL_SERVER, "yard.example.org"), X509_V_OK);
}

TEST_F(CertificatesTest, NameTheServiceInAUri) {
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair pair, IssueCertificate(authority_, request_, now_));
  X509* certificate = Read(pair.certificate);
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  ASSERT_NE(names, nullptr);
  const GENERAL_NAME* first = sk_GENERAL_NAME_value(names, 0);
  ASSERT_EQ(first->type, GEN_URI);
  EXPECT_STREQ(reinterpret_cast<const char*>(ASN1_STRING_get0_data(first->d.uniformResourceIdentifier)),
               "spiffe://switchyard/service/server");
  GENERAL_NAMES_free(names);
  X509_free(certificate);
}

TEST_F(CertificatesTest, NeverOutliveTheirAuthority) {
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair brief, MakeAuthority("brief-ca", now_, absl::Hours(1)));
  SY_ASSERT_OK_AND_ASSIGN(const KeyPair pair, IssueCertificate(brief, request_, now_));
  X509* certificate = Read(pair.certificate);
  time_t end = absl::ToTimeT(now_ + absl::Hours(1));
  EXPECT_EQ(X509_cmp_time(X509_get0_notAfter(certificate), &end), -1);
  X509_free(certificate);
  EXPECT_THAT(IssueCertificate(brief, request_, now_ + absl::Hours(1)), IsError("INVALID_FIELD"));
}

TEST_F(CertificatesTest, RefuseNamesThatCouldSmuggleOthersIn) {
  for (const char* host : {"", "a,DNS:b", "a b", "a\nb", "http://a", "-a", "*"}) {
    EXPECT_THAT(IssueCertificate(authority_, {.name = "x", .hosts = {host}}, now_), IsError("INVALID_FIELD")) << host;
  }
  for (const char* name : {"", "A", "../x", "a/b", "a,URI:b"}) {
    EXPECT_THAT(IssueCertificate(authority_, {.name = name, .hosts = {}}, now_), IsError("INVALID_FIELD")) << name;
  }
  EXPECT_THAT(IssueCertificate({"x", "y"}, request_, now_), IsError("INVALID_FIELD"));
}

class TlsFolderTest : public CertificatesTest {
 protected:
  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static mode_t Mode(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }

  switchyard::testing::TempDir dir_;
  const std::string folder_ = dir_.File("tls");
};

TEST_F(TlsFolderTest, HoldsPairsThatVerifyAndKeepsKeysPrivate) {
  SY_ASSERT_OK(InitFolder(folder_, {request_, {.name = "client", .hosts = {}}}, now_));
  for (const char* name : {"ca", "server", "client"}) {
    EXPECT_EQ(Mode(folder_ + "/" + name + ".key"), 0600u);
    EXPECT_EQ(Mode(folder_ + "/" + name + ".crt"), 0644u);
  }
  EXPECT_EQ(Mode(folder_), 0700u);
  EXPECT_EQ(Verify(Content(folder_ + "/ca.crt"), Content(folder_ + "/server.crt"), now_, X509_PURPOSE_SSL_SERVER,
                   "yard.example.org"),
            X509_V_OK);
}

TEST_F(TlsFolderTest, IsNeverOverwrittenInPart) {
  dir_.Write("tls/server.key", "mine");
  EXPECT_THAT(InitFolder(folder_, {request_}, now_), IsError("FILE_EXISTS"));
  EXPECT_EQ(Mode(folder_ + "/ca.key"), 0u);
  EXPECT_EQ(Content(folder_ + "/server.key"), "mine");
}

TEST_F(TlsFolderTest, TakesAnotherMachineIn) {
  SY_ASSERT_OK(InitFolder(folder_, {request_}, now_));
  SY_ASSERT_OK(AddToFolder(folder_, {.name = "second", .hosts = {"second.example.org"}}, now_ + absl::Hours(1)));
  EXPECT_EQ(Verify(Content(folder_ + "/ca.crt"), Content(folder_ + "/second.crt"), now_ + absl::Hours(1),
                   X509_PURPOSE_SSL_SERVER, "second.example.org"),
            X509_V_OK);
  EXPECT_THAT(AddToFolder(folder_, {.name = "second", .hosts = {}}, now_), IsError("FILE_EXISTS"));
  EXPECT_THAT(AddToFolder(folder_, {.name = "ca", .hosts = {}}, now_), IsError("INVALID_FIELD"));
  EXPECT_THAT(AddToFolder(dir_.path(), {.name = "x", .hosts = {}}, now_), IsError("NO_AUTHORITY"));
}

}  // namespace
}  // namespace switchyard::tls
