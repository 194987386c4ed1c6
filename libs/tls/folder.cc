#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/files/new_file.h"
#include "libs/tls/certificates.h"

namespace switchyard::tls {
namespace {

constexpr mode_t kPublic = 0644;
constexpr mode_t kPrivate = 0600;

// All files of one call: reserved first, so that a taken name is found before anything is written.
class Batch {
 public:
  explicit Batch(const std::string& folder) : folder_(folder) {}

  void Add(const std::string& name, mode_t mode, std::string content) {
    paths_.push_back(absl::StrCat(folder_, "/", name));
    contents_.push_back(std::move(content));
    files_.push_back(std::make_unique<files::NewFile>(paths_.back(), mode));
  }
  void Add(const std::string& name, KeyPair pair) {
    Add(name + ".crt", kPublic, std::move(pair.certificate));
    Add(name + ".key", kPrivate, std::move(pair.private_key));
  }
  absl::StatusOr<std::vector<std::string>> Write() {
    for (const auto& file : files_) SY_RETURN_IF_ERROR(file->status());
    for (std::size_t i = 0; i < files_.size(); ++i) SY_RETURN_IF_ERROR(files_[i]->Publish(contents_[i]));
    return paths_;
  }

 private:
  const std::string folder_;
  std::vector<std::string> paths_;
  std::vector<std::string> contents_;
  std::vector<std::unique_ptr<files::NewFile>> files_;
};

absl::Status MakeFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "FILE_UNWRITABLE",
                   absl::StrCat("cannot make the folder ", folder, ": ", std::strerror(errno)));
}

absl::StatusOr<std::string> Read(const std::string& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file || text.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NO_AUTHORITY",
                     absl::StrCat("cannot read ", path, "; make the authority with: switchyard tls init"));
  }
  return text;
}

absl::Status CheckName(const CertificateRequest& request) {
  if (request.name != "ca") return absl::OkStatus();
  return InvalidFields({{.field = "name", .description = "\"ca\" is the authority's own name"}});
}

}  // namespace

absl::StatusOr<std::vector<std::string>> InitFolder(const std::string& folder,
                                                    const std::vector<CertificateRequest>& requests, absl::Time now) {
  SY_ASSIGN_OR_RETURN(const KeyPair authority, MakeAuthority("switchyard-ca", now));
  std::vector<KeyPair> pairs;
  for (const CertificateRequest& request : requests) {
    SY_RETURN_IF_ERROR(CheckName(request));
    SY_ASSIGN_OR_RETURN(KeyPair pair, IssueCertificate(authority, request, now));
    pairs.push_back(std::move(pair));
  }
  SY_RETURN_IF_ERROR(MakeFolder(folder));
  Batch batch(folder);
  batch.Add("ca", authority);
  for (std::size_t i = 0; i < requests.size(); ++i) batch.Add(requests[i].name, std::move(pairs[i]));
  return batch.Write();
}

absl::StatusOr<std::vector<std::string>> AddToFolder(const std::string& folder, const CertificateRequest& request,
                                                     absl::Time now) {
  SY_RETURN_IF_ERROR(CheckName(request));
  KeyPair authority;
  SY_ASSIGN_OR_RETURN(authority.certificate, Read(folder + "/ca.crt"));
  SY_ASSIGN_OR_RETURN(authority.private_key, Read(folder + "/ca.key"));
  SY_ASSIGN_OR_RETURN(KeyPair pair, IssueCertificate(authority, request, now));
  Batch batch(folder);
  batch.Add(request.name, std::move(pair));
  return batch.Write();
}

}  // namespace switchyard::tls
