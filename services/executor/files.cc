#include "services/executor/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/rpc/address.h"

namespace switchyard::executor {
namespace {

constexpr std::string_view kBundlePrefix = "sye1_";
// Two seconds in all.
constexpr int kLockTries = 40;
constexpr absl::Duration kLockAgain = absl::Milliseconds(50);
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::string HubFile(const std::string& data_dir) { return data_dir + "/hub.json"; }
std::string AuthorityFile(const std::string& data_dir) { return data_dir + "/ca.pem"; }

absl::Status Unusable(std::string_view path, std::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "DATA_DIR",
                   absl::StrCat("cannot use ", ToAbsl(path), ": ", ToAbsl(why)));
}

struct flock WholeFile() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

absl::Status WriteAll(int fd, std::string_view content, bool sync) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "write");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (sync && fsync(fd) != 0) return absl::ErrnoToStatus(errno, "fsync");
  return absl::OkStatus();
}

}  // namespace

std::string TokenFile(const config::v1::ExecutorConfig& config) {
  return config.hub().token_file().empty() ? config.data_dir() + "/token" : config.hub().token_file();
}

std::string JournalFile(const config::v1::ExecutorConfig& config) { return config.data_dir() + "/journal.db"; }

absl::StatusOr<HubAccess> FindHub(const config::v1::ExecutorConfig& config) {
  return FindHub(config, LoadEnrollment(config.data_dir()).value_or(agent::v1::EnrollmentBundle()),
                 AuthorityFile(config.data_dir()));
}

absl::StatusOr<HubAccess> FindHub(const config::v1::ExecutorConfig& config,
                                  const agent::v1::EnrollmentBundle& enrollment, const std::string& authority_file) {
  const config::v1::HubConfig& hub = config.hub();
  HubAccess access{.addresses = {hub.addresses().begin(), hub.addresses().end()},
                   .tls = {.ca_file = hub.ca_file(),
                           .cert_file = hub.cert_file(),
                           .key_file = hub.key_file(),
                           .server_name = hub.server_name()},
                   .token_file = TokenFile(config),
                   .name = enrollment.name()};
  if (!enrollment.addresses().empty()) {
    if (access.addresses.empty()) {
      access.addresses.assign(enrollment.addresses().begin(), enrollment.addresses().end());
      if (access.tls.server_name.empty()) access.tls.server_name = enrollment.server_name();
    }
    if (access.tls.ca_file.empty() && !enrollment.insecure()) {
      access.tls.ca_file = enrollment.ca_pem().empty() ? kSystemAuthorities : authority_file;
    }
  }
  if (access.addresses.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_ENROLLED",
                     absl::StrCat("this executor is not enrolled (", config.data_dir(),
                                  " knows no hub). On a machine of the installation run: yard agent enroll NAME; here: "
                                  "yard-agent enroll STRING"));
  }
  return access;
}

absl::Status PrepareDataDir(const std::string& data_dir) {
  const mode_t mode = geteuid() == 0 ? 0711 : 0700;
  for (std::size_t at = data_dir.find('/', 1); at != std::string::npos; at = data_dir.find('/', at + 1)) {
    mkdir(data_dir.substr(0, at).c_str(), 0755);
  }
  if (mkdir(data_dir.c_str(), mode) != 0 && errno != EEXIST) return Unusable(data_dir, std::strerror(errno));
  struct stat info {};
  if (stat(data_dir.c_str(), &info) != 0) return Unusable(data_dir, std::strerror(errno));
  if (!S_ISDIR(info.st_mode)) return Unusable(data_dir, "it is no folder");
  if ((info.st_mode & 0022) != 0) return Unusable(data_dir, "others may write there; run: chmod go-w on it");
  if (access(data_dir.c_str(), W_OK | X_OK) != 0) {
    return Unusable(data_dir, absl::StrCat(std::strerror(errno), "; it belongs to user ", info.st_uid,
                                           ", and this is user ", geteuid()));
  }
  return absl::OkStatus();
}

namespace {

absl::Status Replace(const std::string& path, std::string_view content, bool sync) {
  const std::string beside = path + ".new";
  unlink(beside.c_str());
  const UniqueFd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return Unusable(beside, std::strerror(errno));
  if (const absl::Status status = WriteAll(fd.get(), content, sync); !status.ok()) {
    unlink(beside.c_str());
    return Unusable(beside, ToStd(status.message()));
  }
  if (rename(beside.c_str(), path.c_str()) != 0) return Unusable(path, std::strerror(errno));
  if (!sync) return absl::OkStatus();
  const std::string folder = path.substr(0, path.rfind('/'));
  if (const UniqueFd dir(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); dir.valid()) fsync(dir.get());
  return absl::OkStatus();
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::string_view content) { return Replace(path, content, true); }

absl::Status ReplaceFileSoon(const std::string& path, std::string_view content) {
  return Replace(path, content, false);
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return MakeError(absl::StatusCode::kNotFound, "FILE_UNREADABLE",
                     absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

absl::StatusOr<agent::v1::EnrollmentBundle> ParseEnrollment(std::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(ToAbsl(text));
  std::string bytes;
  agent::v1::EnrollmentBundle bundle;
  if (!absl::StartsWith(trimmed, ToAbsl(kBundlePrefix)) ||
      !absl::WebSafeBase64Unescape(trimmed.substr(kBundlePrefix.size()), &bytes) || !bundle.ParseFromString(bytes) ||
      bundle.token().empty() || bundle.addresses().empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "ENROLLMENT_UNREADABLE",
                     "this is no enrolment: it is the whole line that begins with sye1_, as `yard agent enroll NAME` "
                     "printed it");
  }
  for (const std::string& address : bundle.addresses()) {
    if (bundle.insecure() && !rpc::IsLocalAddress(address)) {
      return MakeError(absl::StatusCode::kInvalidArgument, "ENROLLMENT_UNREADABLE",
                       absl::StrCat("the enrolment would send its token to ", address, " without TLS"));
    }
  }
  return bundle;
}

void HideEnrollment(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    char* const begin = std::strstr(argv[i], std::string(kBundlePrefix).c_str());
    if (begin != nullptr) std::memset(begin, 'x', std::strlen(begin));
  }
}

absl::Status SaveEnrollment(const std::string& data_dir, const agent::v1::EnrollmentBundle& bundle) {
  if (!bundle.ca_pem().empty()) SY_RETURN_IF_ERROR(ReplaceFile(AuthorityFile(data_dir), bundle.ca_pem()));
  agent::v1::EnrollmentBundle kept = bundle;
  kept.clear_token();
  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  if (!google::protobuf::util::MessageToJsonString(kept, &json, print).ok()) return absl::InternalError("no JSON");
  return ReplaceFile(HubFile(data_dir), json);
}

absl::StatusOr<agent::v1::EnrollmentBundle> LoadEnrollment(const std::string& data_dir) {
  SY_ASSIGN_OR_RETURN(const std::string json, ReadSmallFile(HubFile(data_dir)));
  agent::v1::EnrollmentBundle bundle;
  google::protobuf::util::JsonParseOptions parse;
  parse.ignore_unknown_fields = true;
  if (!google::protobuf::util::JsonStringToMessage(json, &bundle, parse).ok()) {
    return Unusable(HubFile(data_dir), "it is damaged; enrol again");
  }
  return bundle;
}

absl::StatusOr<UniqueFd> LockDataDir(const std::string& data_dir) {
  const std::string path = data_dir + "/lock";
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Unusable(path, std::strerror(errno));
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  for (int tries = 0; tries < kLockTries; ++tries) {
    struct flock whole = WholeFile();
    if (fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) return fd;
    never.WaitFor(mutex, kLockAgain);
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "ALREADY_RUNNING",
                   absl::StrCat("another yard-agent uses ", data_dir));
}

bool IsLocked(const std::string& data_dir) {
  const UniqueFd fd(open((data_dir + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return false;
  struct flock whole = WholeFile();
  return fcntl(fd.get(), F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

}  // namespace switchyard::executor
