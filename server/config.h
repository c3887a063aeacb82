// What latentd is told at start-up: flags, LATENT_* environment variables and a TOML file, in this
// order of precedence. A value; read once by main.
#ifndef LATENT_SERVER_CONFIG_H_
#define LATENT_SERVER_CONFIG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/logging.h"

namespace latent {

// Bounds on requests; all are stated by GetServerInfo and in the errors they cause.
struct RequestLimits {
  std::uint32_t rows = 4096;             // per request
  std::uint32_t columns = 65536;         // per row
  std::uint64_t cells = 1u << 22;        // per request
  std::uint32_t message_mib = 17;        // per message
  std::uint64_t rows_in_flight = 65536;  // over all calls
  std::uint32_t queued_jobs = 16;        // that wait
  std::uint64_t dataset_mib = 8192;      // of one dataset's files
};

struct Config {
  std::string listen = "127.0.0.1:7700";          // host:port or unix:PATH; port 0 picks a free one
  std::string metrics_listen = "127.0.0.1:7701";  // host:port, or "off"
  std::string state_dir = "latent-state";
  bool insecure_bind = false;                 // allows addresses other than loopback
  int loops = 0;                              // event loops; 0: half the cores
  int spin_us = 0;                            // a loop polls that long before it sleeps
  int io_threads = 4;                         // for what blocks
  int io_queue = 256;                         // pieces of blocking work that may wait
  int train_threads = 0;                      // of jobs that name none; 0: the cores
  std::string train_priority = "background";  // or "normal"
  double drain_seconds = 10;                  // for calls in flight at shutdown
  std::string serving_weights = "float32";    // or float16, int8: what loaded versions hold
  std::uint64_t memory_budget_mib = 0;  // of versions, training and rows; 0: 3/4 of the machine's
  RequestLimits limits;
  std::string log_format = "json";  // or "text"
  std::string log_level = "info";   // debug, info, warning, error
  std::string port_file;            // gets the ports that were bound
};

// What to do after the command line was read.
struct ConfigAction {
  enum class Kind { kRun, kPrintAndExit };
  Kind kind = Kind::kRun;
  std::string output;  // help, version or the configuration
  Config config;
};

// `arguments` without the program's name; `environment` gives a variable's value or null.
// INVALID_ARGUMENT names the flag, variable or key at fault, what is expected and what came;
// unknown flags and keys are refused, as is an address other than loopback without --insecure-bind.
absl::StatusOr<ConfigAction> ReadConfig(const std::vector<std::string>& arguments,
                                        const std::function<const char*(const char*)>& environment);

// The configuration as a TOML file that --config reads.
std::string ToToml(const Config& config);

// Whether everybody who can reach `address` (host:port or unix:PATH) is on this machine: a literal
// of 127.0.0.0/8 or ::1, "localhost", a UNIX socket.
bool IsLoopback(const std::string& address);

LogFormat LogFormatOf(const Config& config);
Severity LogLevelOf(const Config& config);

}  // namespace latent

#endif  // LATENT_SERVER_CONFIG_H_
