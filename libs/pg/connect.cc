// How sessions come to be: parameters, the connection itself, and what is learnt about the server first.
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/pg/connection.h"
#include "libs/pg/connection_string.h"
#include "libs/pg/sql/statements.h"
#include "libs/pg/sqlstate.h"

namespace switchyard::pg {
namespace {

// Plans that are made once, while tables are still empty, and must be right when they are full: a probe for each
// element of an array, never a scan or a hash of the table.
constexpr char kBatchPlans[] =
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c enable_bitmapscan=off";

std::string ServerSettings(const ConnectOptions& options) {
  const auto milliseconds = [](absl::Duration duration) { return absl::ToInt64Milliseconds(duration); };
  return absl::StrCat("-c default_transaction_isolation=read\\ committed -c synchronous_commit=on -c timezone=UTC",
                      " -c jit=off -c statement_timeout=", milliseconds(options.statement_timeout),
                      " -c lock_timeout=", milliseconds(options.lock_timeout),
                      " -c idle_in_transaction_session_timeout=", milliseconds(options.idle_in_transaction_timeout),
                      options.force_generic_plan ? kBatchPlans : "");
}

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};

// libpq's messages name host and user, never the password; they span lines.
std::string OneLine(const char* message) {
  std::string text(absl::StripAsciiWhitespace(message));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

absl::Status AwaitConnection(PGconn* connection, std::int64_t deadline) {
  PostgresPollingStatusType want = PGRES_POLLING_WRITING;
  while (want != PGRES_POLLING_OK) {
    if (want == PGRES_POLLING_FAILED) return DatabaseUnavailable(OneLine(PQerrorMessage(connection)));
    const std::int64_t left = deadline - DisciplinedClock::SteadyNanos();
    if (left <= 0) return DatabaseUnavailable("connecting to the database took too long");
    pollfd socket{.fd = PQsocket(connection), .events = want == PGRES_POLLING_READING ? short{POLLIN} : short{POLLOUT}};
    if (poll(&socket, 1, static_cast<int>(left / 1'000'000) + 1) > 0) want = PQconnectPoll(connection);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Connect(const ConnectOptions& options) {
  const std::int64_t deadline = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(options.connect_timeout);
  SY_ASSIGN_OR_RETURN(const std::string password, ReadPassword(options));
  const std::string port = absl::StrCat(options.port);
  const std::string settings = ServerSettings(options);
  std::vector<const char*> names, values;
  const auto set = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  const std::string utf8 = "UTF8", probe_idle = "10", probe_interval = "5", probe_count = "3";
  set("host", options.host);
  set("port", port);
  set("dbname", options.database);
  set("user", options.user);
  set("password", password);
  set("sslmode", options.sslmode);
  set("sslrootcert", options.ssl_root_cert);
  set("application_name", options.application_name);
  set("client_encoding", utf8);
  set("options", settings);
  // A host that vanished is noticed in half a minute also by a session that only listens.
  set("keepalives_idle", probe_idle);
  set("keepalives_interval", probe_interval);
  set("keepalives_count", probe_count);
  names.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PGconn, Finish> connection(PQconnectStartParams(names.data(), values.data(), 0));
  if (connection == nullptr) return DatabaseUnavailable("out of memory while connecting");
  if (PQstatus(connection.get()) == CONNECTION_BAD) {
    return DatabaseUnavailable(OneLine(PQerrorMessage(connection.get())));
  }
  SY_RETURN_IF_ERROR(AwaitConnection(connection.get(), deadline));
  if (PQsetnonblocking(connection.get(), 1) != 0 || PQenterPipelineMode(connection.get()) != 1) {
    return DatabaseUnavailable(OneLine(PQerrorMessage(connection.get())));
  }
  PQsetNoticeProcessor(
      connection.get(),
      [](void*, const char* notice) {
        LogDebug("database notice", {{"notice", OneLine(notice)}});
      },
      nullptr);
  std::unique_ptr<Session> session(new Session(connection.release(), options));
  session->GiveUpAt(deadline);
  SY_RETURN_IF_ERROR(session->LearnServer());
  session->NeverGiveUp();
  return session;
}

Session::Session(pg_conn* connection, const ConnectOptions& options)
    : connection_(connection),
      statement_timeout_(options.statement_timeout),
      io_grace_(options.io_grace),
      failpoints_(options.failpoints == nullptr ? Failpoints::OfProcess() : *options.failpoints),
      server_timeout_ms_(absl::ToInt64Milliseconds(options.statement_timeout)) {}

Session::~Session() { PQfinish(connection_); }

absl::Status Session::LearnServer() {
  SY_ASSIGN_OR_RETURN(const Result facts, Execute(sql::kSessionFacts));
  incarnation_ = std::string(facts[0].Text(0));
  if (facts[0].Bool(1)) return FromSqlState("25006", "the database is a standby in recovery");
  return absl::OkStatus();
}

}  // namespace switchyard::pg
