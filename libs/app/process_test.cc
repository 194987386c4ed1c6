#include "libs/app/process.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/config/load.h"
#include "libs/pg/migrations.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/healthcheck.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"
#include "switchyard/config/v1/identity.pb.h"

namespace switchyard::app {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;

const std::vector<pg::Migration>& OneMigration() {
  static const auto& migrations =
      *new std::vector<pg::Migration>{{1, "nothing", "sum", "COMMENT ON SCHEMA process_test IS 'made by a test'"}};
  return migrations;
}

// Notes in which order things happen to it.
class NotingApp final : public ServiceApp {
 public:
  NotingApp(std::string name, std::vector<std::string>& notes) : name_(std::move(name)), notes_(notes) {}
  ~NotingApp() override { notes_.push_back("end " + name_); }
  absl::Status Start() override {
    notes_.push_back("start " + name_);
    return absl::OkStatus();
  }
  void Stop() override { notes_.push_back("stop " + name_); }

 private:
  const std::string name_;
  std::vector<std::string>& notes_;
};

class ProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<Process> Make(const pg::ConnectOptions& database) {
    config::v1::IdentityConfig config;
    EXPECT_THAT(config::Load({.file = "",
                              .environment = {},
                              .flags = {"--server.listen=127.0.0.1:0",
                                        "--server.metrics_listen=", "--database.host=" + database.host,
                                        "--database.user=" + database.user, "--database.name=" + database.database,
                                        "--database.port=" + std::to_string(database.port)}},
                             config),
                IsOk());
    std::unique_ptr<Process> process = *Process::Create("test", config.server(), config.database());
    process->SetAuthenticator(std::make_unique<rpc::StaticAuthenticator>());
    return process;
  }
  static absl::Status Health(Process& process, std::string_view service) {
    rpc::ChannelOptions channel;
    channel.target = process.server().address();
    return rpc::CheckHealth(channel, service);
  }
};

TEST_F(ProcessTest, BecomesReadyOnceTheSchemaIsThere) {
  const pg::ConnectOptions database = testing::SharedPostgres().NewDatabase();
  const std::unique_ptr<Process> process = Make(database);
  process->RequireSchema("process_test", OneMigration());
  SY_ASSERT_OK(process->Start());
  process->CheckReadiness();
  EXPECT_THAT(Health(*process, ""), IsOk());
  EXPECT_THAT(Health(*process, rpc::Server::kReadyService), IsError("NOT_SERVING"));
  SY_ASSERT_OK(pg::Migrator(database, "process_test", OneMigration(), process->clock()).Apply());
  process->CheckReadiness();
  EXPECT_THAT(Health(*process, rpc::Server::kReadyService), IsOk());
}

TEST_F(ProcessTest, ServesWithoutADatabaseAndIsNotReady) {
  pg::ConnectOptions database;
  database.host = "/nonexistent";
  database.user = "nobody";
  database.database = "nothing";
  const std::unique_ptr<Process> process = Make(database);
  SY_ASSERT_OK(process->Start());
  process->CheckReadiness();
  EXPECT_THAT(Health(*process, ""), IsOk());
  EXPECT_THAT(Health(*process, rpc::Server::kReadyService), IsError("NOT_SERVING"));
}

TEST_F(ProcessTest, IsReadyAgainAfterARestartOfTheDatabase) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, testing::ThrowawayPostgres::Create({}));
  const std::unique_ptr<Process> process = Make(postgres->NewDatabase());
  SY_ASSERT_OK(process->Start());
  process->CheckReadiness();
  EXPECT_TRUE(process->server().ready());
  postgres->StopImmediately();
  process->CheckReadiness();
  EXPECT_FALSE(process->server().ready());
  SY_ASSERT_OK(postgres->Start());
  // The pool spaces its attempts by at most two seconds of real time.
  for (int i = 0; i < 200 && !process->server().ready(); ++i) process->CheckReadiness();
  EXPECT_TRUE(process->server().ready());
}

TEST_F(ProcessTest, StaysReadyWhileAllSessionsWork) {
  const std::unique_ptr<Process> process = Make(testing::SharedPostgres().NewDatabase());
  SY_ASSERT_OK(process->Start());
  std::vector<pg::Pool::Lease> busy;
  for (int i = 0; i < process->pool().options().max_sessions; ++i) busy.push_back(*process->pool().Acquire());
  process->CheckReadiness();
  EXPECT_TRUE(process->server().ready());
}

TEST_F(ProcessTest, StopsAppsInTheOppositeOrder) {
  std::vector<std::string> notes;
  {
    const std::unique_ptr<Process> process = Make(testing::SharedPostgres().NewDatabase());
    process->Add(std::make_unique<NotingApp>("a", notes));
    process->Add(std::make_unique<NotingApp>("b", notes));
    SY_ASSERT_OK(process->Start());
    process->Stop();
    process->Stop();
  }
  EXPECT_THAT(notes, ElementsAre("start a", "start b", "stop b", "stop a", "end b", "end a"));
}

}  // namespace
}  // namespace switchyard::app
