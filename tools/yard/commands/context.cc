#include <filesystem>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"

namespace switchyard::yard {
namespace {

Json ContextJson(const std::string& name, const Context& context, bool current) {
  Json json = {{"name", name}, {"current", current}, {"address", context.address}};
  if (!context.identity_address.empty()) json["identity_address"] = context.identity_address;
  if (!context.token_file.empty()) json["token_file"] = context.token_file;
  if (!context.ca_file.empty()) json["ca_file"] = context.ca_file;
  if (!context.cert_file.empty()) json["cert_file"] = context.cert_file;
  if (!context.key_file.empty()) json["key_file"] = context.key_file;
  if (!context.server_name.empty()) json["server_name"] = context.server_name;
  return json;
}

std::string Absolute(Session& session, std::string_view flag) {
  const std::string given = session.invocation().Get(flag);
  if (given.empty()) return given;
  return (std::filesystem::path(session.host().working_directory) / given).lexically_normal().string();
}

absl::Status NoContext(const std::string& name, const std::string& path) {
  return LocalError(absl::StatusCode::kNotFound, "CONTEXT_NOT_FOUND",
                    absl::StrCat("no context '", name, "' in ", path));
}

// The connection as it would be with the context named in the arguments.
absl::StatusOr<Connection> NamedConnection(Session& session) {
  Invocation invocation = session.invocation();
  if (!invocation.arguments.empty()) invocation.flags["context"] = {invocation.arguments[0]};
  return ResolveConnection(invocation, session.host());
}

}  // namespace

absl::Status ContextList(Session& session) {
  const std::string path = ConfigPath(session.host());
  SY_ASSIGN_OR_RETURN(const Config config, LoadConfig(path));
  Answer answer;
  answer.table.columns = {{"CURRENT"}, {"NAME"}, {"ADDRESS"}, {.title = "IDENTITY", .wide = true}, {"TLS"}, {"TOKEN"}};
  answer.table.empty_note = "No contexts; yard context add makes one.";
  answer.whole = {{"config", path}, {"contexts", Json::array()}};
  for (const auto& [name, context] : config.contexts) {
    const bool current = name == config.current;
    answer.table.rows.push_back({{current ? "*" : ""},
                                 {name},
                                 {context.address},
                                 {context.identity_address},
                                 {context.ca_file.empty() ? "no" : "yes"},
                                 {context.token_file}});
    answer.items.push_back(ContextJson(name, context, current));
    answer.whole["contexts"].push_back(answer.items.back());
    answer.names.push_back(name);
  }
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status ContextUse(Session& session) {
  const std::string& name = session.invocation().arguments[0];
  const std::string path = ConfigPath(session.host());
  SY_ASSIGN_OR_RETURN(Config config, LoadConfig(path));
  if (!config.contexts.contains(name)) return NoContext(name, path);
  config.current = name;
  SY_RETURN_IF_ERROR(SaveConfig(path, config));
  session.Remark(absl::StrCat("current context is ", name, " (", path, ")"));
  return absl::OkStatus();
}

absl::Status ContextAdd(Session& session) {
  const Invocation& invocation = session.invocation();
  const std::string& name = invocation.arguments[0];
  if (name.empty()) return UsageError("BAD_VALUE", "a context needs a name");
  if (!invocation.Has("address")) {
    return UsageError("MISSING_VALUE", "say where the task queue is: --address HOST:PORT", "yard context add --help");
  }
  const std::string path = ConfigPath(session.host());
  SY_ASSIGN_OR_RETURN(Config config, LoadConfig(path));
  config.contexts[name] = Context{.address = invocation.Get("address"),
                                  .identity_address = invocation.Get("identity-address"),
                                  .token_file = Absolute(session, "token-file"),
                                  .ca_file = Absolute(session, "ca-file"),
                                  .cert_file = Absolute(session, "cert-file"),
                                  .key_file = Absolute(session, "key-file"),
                                  .server_name = invocation.Get("server-name")};
  if (invocation.Has("use") || config.current.empty()) config.current = name;
  SY_RETURN_IF_ERROR(SaveConfig(path, config));
  session.Remark(
      absl::StrCat("context ", name, " is in ", path, config.current == name ? "; it is the current one" : ""));
  return absl::OkStatus();
}

absl::Status ContextShow(Session& session) {
  SY_ASSIGN_OR_RETURN(const Connection connection, NamedConnection(session));
  Answer answer;
  answer.table.columns = {{"SETTING"}, {"VALUE"}, {"FROM"}};
  answer.whole = {{"context", connection.context_name}, {"config", connection.config_path}};
  answer.table.rows.push_back({{"context"}, {connection.context_name}, {connection.config_path}});
  for (const Setting& setting : connection.settings) {
    std::string value = setting.value;
    std::string source = setting.source;
    // The variable comes before every file but one named on the command line.
    if (setting.name == "token_file" && !session.invocation().Has("token-file") &&
        !session.host().Variable("YARD_TOKEN").empty()) {
      value = "(the token itself)";
      source = "YARD_TOKEN";
    }
    answer.table.rows.push_back({{setting.name}, {value}, {source}});
    answer.whole[setting.name] = {{"value", value}, {"from", source}};
    answer.items.push_back({{"name", setting.name}, {"value", value}, {"from", source}});
  }
  answer.names = {connection.context_name};
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status ContextTest(Session& session) {
  Invocation invocation = session.invocation();
  if (!invocation.arguments.empty()) invocation.flags["context"] = {invocation.arguments[0]};
  Session other(session.host(), std::move(invocation), session.style(), session.request_id());
  const absl::Time begin = session.Now();
  SY_ASSIGN_OR_RETURN(const Connection* const connection, other.connection());
  SY_RETURN_IF_ERROR(other.Call(&TaskQueueStub::GetQueueStats, {}).status());
  const absl::Duration took = session.Now() - begin;
  Answer answer;
  answer.card = absl::StrCat("ok: ", OneLine(connection->values.address), " answered in ", SpanText(took), "\n");
  answer.whole = {
      {"ok", true}, {"address", connection->values.address}, {"milliseconds", absl::ToInt64Milliseconds(took)}};
  answer.names = {connection->context_name};
  session.Show(answer);
  return absl::OkStatus();
}

}  // namespace switchyard::yard
