// What every command of the command line shares: where the server is, how answers are printed, when
// to stop. Made by main; lives until the program ends; used by the main thread alone.
#ifndef LATENT_CLIENT_CLI_CONTEXT_H_
#define LATENT_CLIENT_CLI_CONTEXT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/client.h"
#include "client/render/progress.h"
#include "client/render/table.h"
#include "google/protobuf/message.h"

namespace latent::cli {

enum class OutputFormat { kTable, kJson, kCsv };

struct Context {
  std::string server = "127.0.0.1:7700";
  std::optional<double> timeout_seconds;  // of a call; watching knows none unless it is given
  OutputFormat format = OutputFormat::kTable;
  bool quiet = false;
  std::stop_token stop;
  // Set by the command that was named; main runs it.
  std::function<absl::Status()> command;

  // Connects at the first use.
  Client& client();
  CallOptions Call() const;
  // A live line on stderr, mute where the user wants quiet.
  LiveLine Progress() const;
  // A remark on stderr, unless quiet.
  void Note(std::string_view text) const;

  // Answers on stdout: the table (as text or CSV) or the message as JSON.
  void Print(const Table& table, const google::protobuf::Message& reply) const;
  void Print(const Table& table, const std::string& json) const;

 private:
  std::unique_ptr<Client> client_;
};

// Text on stdout as it is.
void WriteOut(std::string_view text);

// Protobuf's JSON with every field, in lowerCamelCase, indented.
std::string ToJson(const google::protobuf::Message& message);
// Reads such JSON; INVALID_ARGUMENT, naming `what`, for anything else or for unknown fields.
absl::Status FromJson(std::string_view json, std::string_view what,
                      google::protobuf::Message* message);

// Exit codes, as `latent --help` lists them.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitRefused = 4;
inline constexpr int kExitUnavailable = 5;
inline constexpr int kExitInterrupted = 130;
int ExitCodeOf(const absl::Status& status);

// "error: NOT_FOUND: ..." with fields, reason and what to do, one a line; printable.
std::string DescribeError(const absl::Status& status, const std::string& server);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_CONTEXT_H_
