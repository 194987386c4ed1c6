#include "services/model_registry/host_resources.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::model_registry {
namespace {

using ::testing::HasSubstr;

const absl::Time kSaid = absl::FromUnixSeconds(1'700'000'000);

HostReport Said(std::string agent, std::string host, int seconds = 0) {
  return {.agent = std::move(agent), .host = std::move(host), .time = kSaid + absl::Seconds(seconds), .cpus = 8};
}
EndpointSpec At(std::string url, std::string host = "", std::string agent = "") {
  return {.name = "e", .url = std::move(url), .local = true, .host = std::move(host), .agent = std::move(agent)};
}
// The agent that tells of its machine; "" for none.
std::string TellerOf(const HostReports& reports, const EndpointSpec& spec) {
  const EndpointHost host = reports.Find(spec);
  EXPECT_EQ(host.report == nullptr, !host.message.empty());
  return host.report == nullptr ? "" : host.report->agent;
}

TEST(HostReportsTest, JoinsByTheHostOfTheUrlOrTheDeclaredOne) {
  const HostReports reports({Said("a", "pc-a"), Said("b", "pc-b")}, "hub");
  EXPECT_EQ(TellerOf(reports, At("http://pc-a:11434")), "a");
  EXPECT_EQ(TellerOf(reports, At("http://PC-B:11434/v1")), "b");
  EXPECT_EQ(TellerOf(reports, At("http://10.0.0.7:11434", "pc-b")), "b");
  EXPECT_EQ(TellerOf(reports, At("http://pc-a:11434", "pc-c")), "");
  EXPECT_THAT(reports.Find(At("http://pc-c")).message, HasSubstr("no agent tells of the host pc-c"));
}

TEST(HostReportsTest, TheAgentThatReachesItKnowsItsMachine) {
  const HostReports reports({Said("a", "pc-a"), Said("b", "pc-b")}, "pc-a");
  EXPECT_EQ(TellerOf(reports, At("http://localhost:11434", "", "b")), "b");
  EXPECT_EQ(TellerOf(reports, At("http://localhost:11434", "pc-a", "c")), "");
}

TEST(HostReportsTest, ABareNameIsAQualifiedOneUnlessSeveralBeginWithIt) {
  const HostReports reports({Said("a", "pc-a.lan"), Said("b", "pc-b"), Said("c", "gpu.x"), Said("d", "gpu.y")}, "");
  EXPECT_EQ(TellerOf(reports, At("http://pc-a:1")), "a");
  EXPECT_EQ(TellerOf(reports, At("http://pc-b.lan:1")), "b");
  EXPECT_EQ(TellerOf(reports, At("http://gpu:1")), "");
  EXPECT_EQ(TellerOf(reports, At("http://gpu.y:1")), "d");
  EXPECT_EQ(TellerOf(reports, At("http://pc-a.other:1")), "");
}

TEST(HostReportsTest, AddressesAreTakenAsTheyAre) {
  const HostReports reports({Said("a", "10.0.0.7"), Said("b", "fd00::1")}, "");
  EXPECT_EQ(TellerOf(reports, At("http://10.0.0.7:1")), "a");
  EXPECT_EQ(TellerOf(reports, At("http://[FD00::1]:1")), "b");
  EXPECT_EQ(TellerOf(reports, At("http://10:1")), "");
}

TEST(HostReportsTest, ALoopbackAddressIsTheMachineOfTheRegistry) {
  const HostReports reports({Said("a", "pc-a"), Said("b", "hub")}, "hub");
  for (const char* url : {"http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"}) {
    EXPECT_EQ(TellerOf(reports, At(url)), "b") << url;
  }
  const HostReports strangers({Said("a", "pc-a")}, "hub");
  EXPECT_THAT(strangers.Find(At("http://localhost:1")).message, HasSubstr("hub, on which this registry runs"));
}

TEST(HostReportsTest, OfSeveralAgentsOnAHostTheLastToSpeakIsBelieved) {
  const HostReports reports({Said("a", "pc", 1), Said("b", "PC", 5), Said("c", "pc", 3)}, "");
  EXPECT_EQ(TellerOf(reports, At("http://pc:1")), "b");
}

TEST(HostReportsTest, NobodyAsksOfMachinesElsewhere) {
  EndpointSpec spec = At("https://api.example.org");
  spec.local = false;
  for (const HostReports& reports :
       {HostReports("nobody was asked"), HostReports({Said("a", "api.example.org")}, "")}) {
    EXPECT_EQ(reports.Find(spec), EndpointHost());
  }
  EXPECT_EQ(HostReports("nobody was asked").Find(At("http://pc")).message, "nobody was asked");
}

}  // namespace
}  // namespace switchyard::model_registry
