#include "client/cli/context.h"

#include <google/protobuf/util/json_util.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/errors.h"
#include "client/render/text.h"

namespace latent::cli {

constexpr double kDefaultTimeout = 30;

Client& Context::client() {
  if (client_ == nullptr) {
    ClientOptions options;
    options.server = server;
    options.timeout = *Call().timeout;
    client_ = std::make_unique<Client>(options);
  }
  return *client_;
}

CallOptions Context::Call() const {
  const auto timeout = std::chrono::duration<double>(timeout_seconds.value_or(kDefaultTimeout));
  return {.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(timeout), .stop = stop};
}

LiveLine Context::Progress() const { return {stderr, TerminalOf(stderr), quiet}; }

void Context::Note(std::string_view text) const {
  if (quiet) return;
  std::fprintf(stderr, "%s\n", Printable(text).c_str());
}

void Context::Print(const Table& table, const google::protobuf::Message& reply) const {
  Print(table, format == OutputFormat::kJson ? ToJson(reply) : "");
}

void Context::Print(const Table& table, const std::string& json) const {
  switch (format) {
    case OutputFormat::kTable:
      return WriteOut(table.ToText(TerminalOf(stdout).color));
    case OutputFormat::kCsv:
      return WriteOut(table.ToCsv());
    case OutputFormat::kJson:
      return WriteOut(json);
  }
}

void WriteOut(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  return status.ok() ? json : absl::StrCat("{}\n");
}

absl::Status FromJson(std::string_view json, std::string_view what,
                      google::protobuf::Message* message) {
  const auto status = google::protobuf::util::JsonStringToMessage(std::string(json), message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": expected ",
                                                 message->GetDescriptor()->name(),
                                                 " as JSON: ", std::string(status.message())));
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitRefused;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return kExitUnavailable;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailure;
  }
}

std::string DescribeError(const absl::Status& status, const std::string& server) {
  const RpcError error = RpcErrorOf(status);
  const std::string code = absl::StatusCodeToString(status.code());
  // Commands call what has no code of its own, such as a job that failed, unknown.
  if (absl::IsUnknown(status) && error.fields.empty()) {
    return absl::StrCat("error: ", Printable(std::string(status.message())), "\n");
  }
  std::string text = absl::StrCat("error: ", code);
  if (!error.reason.empty()) absl::StrAppend(&text, " (", Printable(error.reason), ")");
  if (error.fields.empty()) {
    absl::StrAppend(&text, ": ", Printable(std::string(status.message())), "\n");
  } else {
    text += "\n";
    for (const RpcError::Field& field : error.fields) {
      absl::StrAppend(&text, "  ", Printable(field.path), ": ", Printable(field.description), "\n");
    }
  }
  if (error.retry_after) {
    absl::StrAppend(&text, "  try again in ",
                    FormatNumber(static_cast<double>(error.retry_after->count()) / 1000), " s\n");
  }
  if (absl::IsUnavailable(status)) {
    absl::StrAppend(&text, "  no answer from ", Printable(server),
                    "; is latentd running there? (--server or LATENT_SERVER say where)\n");
  }
  if (absl::IsDeadlineExceeded(status)) text += "  --timeout SECONDS allows more time\n";
  return text;
}

}  // namespace latent::cli
