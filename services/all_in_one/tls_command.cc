#include <unistd.h>

#include <array>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/app/service_main.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/tls/certificates.h"
#include "services/all_in_one/commands.h"

namespace switchyard::all_in_one {
namespace {

constexpr char kInitHelp[] =
    "switchyard tls init: makes an authority and certificates for this host.\n\n"
    "Usage: switchyard tls init --dir=DIR [--hosts=LIST]\n\n"
    "  --dir=DIR       where ca.crt, ca.key, server.crt, server.key, client.crt and client.key go; keys have mode\n"
    "                  0600, and no file that is there is overwritten\n"
    "  --hosts=LIST    names and addresses under which clients reach this host, separated by commas; when absent\n"
    "                  this host's name, localhost, 127.0.0.1 and ::1\n\n"
    "Then: server.tls.cert_file, server.tls.key_file, and for mutual TLS server.tls.client_ca_file and\n"
    "server.tls.require_client_cert. Clients need ca.crt, for mutual TLS also client.crt and client.key. Keep ca.key "
    "off\n"
    "hosts that only serve. For another machine: switchyard tls add.\n";

constexpr char kAddHelp[] =
    "switchyard tls add: makes a certificate for another machine, signed by the authority of tls init.\n\n"
    "Usage: switchyard tls add --dir=DIR --name=NAME [--hosts=LIST]\n\n"
    "  --dir=DIR       where ca.crt and ca.key are, and NAME.crt and NAME.key go\n"
    "  --name=NAME     1 to 64 characters of [a-z0-9._-]; also in the certificate as spiffe://switchyard/service/NAME\n"
    "  --hosts=LIST    names and addresses under which clients reach that machine; none for a mere client\n\n"
    "Copy NAME.crt, NAME.key and ca.crt to that machine, and nothing else.\n";

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> hosts = absl::StrSplit(list, ',', absl::SkipWhitespace());
  for (std::string& host : hosts) absl::StripAsciiWhitespace(&host);
  return hosts;
}

std::vector<std::string> HostsOfThisMachine() {
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' &&
      std::string_view(name.data()) != "localhost") {
    hosts.insert(hosts.begin(), absl::AsciiStrToLower(name.data()));
  }
  return hosts;
}

int Report(std::string_view command, const absl::StatusOr<std::vector<std::string>>& paths) {
  if (!paths.ok()) {
    return Complain(command, absl::StrCat("nothing was made: ", Describe(paths.status())), app::kExitError);
  }
  for (const std::string& path : *paths) std::printf("%s\n", path.c_str());
  return app::kExitOk;
}

int Unknown(std::string_view command, const Arguments& rest) {
  return Complain(command, absl::StrCat("unknown argument ", rest[0], "; see --help"), app::kExitUsage);
}

}  // namespace

int InitTls(const Arguments& given) {
  constexpr std::string_view kName = "switchyard tls init";
  Arguments arguments = given;
  if (TakeSwitch(arguments, "help")) {
    std::fputs(kInitHelp, stdout);
    return app::kExitOk;
  }
  const std::optional<std::string> dir = TakeFlag(arguments, "dir");
  const std::optional<std::string> hosts = TakeFlag(arguments, "hosts");
  if (!arguments.empty()) return Unknown(kName, arguments);
  if (!dir.has_value() || dir->empty()) return Complain(kName, "--dir is needed; see --help", app::kExitUsage);
  const std::vector<tls::CertificateRequest> requests = {
      {.name = "server", .hosts = hosts.has_value() ? Split(*hosts) : HostsOfThisMachine()},
      {.name = "client", .hosts = {}}};
  return Report(kName, tls::InitFolder(*dir, requests, DisciplinedClock().Now()));
}

int AddTls(const Arguments& given) {
  constexpr std::string_view kName = "switchyard tls add";
  Arguments arguments = given;
  if (TakeSwitch(arguments, "help")) {
    std::fputs(kAddHelp, stdout);
    return app::kExitOk;
  }
  const std::optional<std::string> dir = TakeFlag(arguments, "dir");
  const std::optional<std::string> name = TakeFlag(arguments, "name");
  const std::optional<std::string> hosts = TakeFlag(arguments, "hosts");
  if (!arguments.empty()) return Unknown(kName, arguments);
  if (!dir.has_value() || !name.has_value()) {
    return Complain(kName, "--dir and --name are needed; see --help", app::kExitUsage);
  }
  const tls::CertificateRequest request = {.name = *name, .hosts = Split(hosts.value_or(""))};
  return Report(kName, tls::AddToFolder(*dir, request, DisciplinedClock().Now()));
}

}  // namespace switchyard::all_in_one
