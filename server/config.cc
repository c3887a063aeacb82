#include "server/config.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/version.h"

namespace latent {
namespace {

// The flags that exist for one run alone and do not belong in a file or in the environment.
const std::set<std::string> kRunOnly = {"help", "version", "config", "print-config"};

constexpr double kMaxDrainSeconds = 600;

struct Parsed {
  Config config;
  std::string file;
  bool print_config = false;
  bool version = false;
};

// As CLI::Range, which lets NaN pass.
std::string CheckSeconds(const std::string& text) {
  double seconds = 0;
  const bool good = absl::SimpleAtod(text, &seconds) && seconds >= 0 && seconds <= kMaxDrainSeconds;
  return good ? "" : absl::StrCat("expected 0 to ", kMaxDrainSeconds, " seconds, got ", text);
}

void DeclareAddresses(CLI::App& app, Config& config) {
  app.add_option("--listen", config.listen, "gRPC address, host:port or unix:PATH")
      ->capture_default_str();
  app.add_option("--metrics-listen", config.metrics_listen,
                 "HTTP address of /metrics, host:port or \"off\"")
      ->capture_default_str();
  app.add_flag("--insecure-bind", config.insecure_bind,
               "Allow addresses other than loopback: anybody who reaches them may do anything");
  app.add_option("--port-file", config.port_file,
                 "File that gets the bound ports: one line gRPC, one line metrics");
}

void DeclareThreads(CLI::App& app, Config& config) {
  app.add_option("--loops", config.loops, "Event loops; 0: half the cores")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app.add_option("--spin-us", config.spin_us,
                 "Microseconds that a loop polls before it sleeps: less latency for a core's time")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--io-threads", config.io_threads, "Threads for what blocks")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--io-queue", config.io_queue, "Pieces of blocking work that may wait")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--train-threads", config.train_threads,
                 "Training threads of jobs that name none; 0: the cores")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app.add_option("--train-priority", config.train_priority,
                 "background (idle class) or normal (competes with serving)")
      ->check(CLI::IsMember({"background", "normal"}))
      ->capture_default_str();
}

void DeclareMemory(CLI::App& app, Config& config) {
  app.add_option("--serving-weights", config.serving_weights,
                 "Format of weights that calls read: float32, or for less memory and other last "
                 "digits float16 or int8")
      ->check(CLI::IsMember({"float32", "float16", "int8"}))
      ->capture_default_str();
  app.add_option("--memory-budget-mib", config.memory_budget_mib,
                 "MiB for loaded versions, training and rows in flight; 0: 3/4 of the memory")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
}

void DeclareLimits(CLI::App& app, RequestLimits& limits) {
  const auto bounded = [&app](const char* flag, auto& value, const char* what, int most) {
    app.add_option(flag, value, what)->check(CLI::Range(1, most))->capture_default_str();
  };
  bounded("--max-rows", limits.rows, "Rows a request", 65536);
  bounded("--max-columns", limits.columns, "Cells a row", 1 << 20);
  bounded("--max-cells", limits.cells, "Rows x columns a request", 1 << 28);
  bounded("--max-message-mib", limits.message_mib, "MiB a message", 1024);
  bounded("--max-rows-in-flight", limits.rows_in_flight, "Rows over all calls", 1 << 24);
  bounded("--max-queued-jobs", limits.queued_jobs, "Train jobs that may wait", 10000);
  bounded("--max-dataset-mib", limits.dataset_mib, "MiB of one dataset's files", 1 << 20);
}

void Declare(CLI::App& app, Parsed& parsed) {
  Config& config = parsed.config;
  app.set_help_flag("-h,--help", "Print this and exit");
  DeclareAddresses(app, config);
  app.add_option("--state-dir", config.state_dir, "Directory of everything that lasts")
      ->capture_default_str();
  DeclareThreads(app, config);
  DeclareMemory(app, config);
  app.add_option("--drain-seconds", config.drain_seconds, "Time for calls in flight at shutdown")
      ->check(CheckSeconds)
      ->capture_default_str();
  DeclareLimits(app, config.limits);
  app.add_option("--log-format", config.log_format, "json or text")
      ->check(CLI::IsMember({"json", "text"}))
      ->capture_default_str();
  app.add_option("--log-level", config.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--config", parsed.file, "TOML file with these settings, named as the flags");
  app.add_flag("--print-config", parsed.print_config, "Print the settings as TOML and exit");
  app.add_flag("--version", parsed.version, "Print the version and exit");
  app.footer(
      "Precedence: flag, then environment (LATENT_LISTEN for --listen, and so on), then the file.");
}

std::string VariableOf(const std::string& flag) {
  std::string name = "LATENT_";
  for (const char c : flag) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

absl::Status Refuse(const std::string& message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "BAD_CONFIGURATION", message);
}

// Parses arguments only; CLI11's exceptions end here. `source` names where they came from.
absl::Status Parse(CLI::App& app, const std::vector<std::string>& arguments,
                   const std::string& source) {
  try {
    app.parse(
        std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // takes them reversed
  } catch (const CLI::CallForHelp&) {
    return absl::OkStatus();
  } catch (const CLI::ParseError& error) {
    return Refuse(absl::StrCat(source, error.what(), " (see --help)"));
  }
  return absl::OkStatus();
}

// One setting from the environment or the file, checked by the same rules as the flag.
absl::Status CheckSetting(const std::string& flag, const std::string& value,
                          const std::string& source) {
  Parsed scratch;
  CLI::App app("", "latentd");
  Declare(app, scratch);
  return Parse(app, {absl::StrCat("--", flag, "=", value)}, absl::StrCat(source, ": "));
}

using Settings = std::map<std::string, std::string>;

absl::StatusOr<Settings> ReadFile(const std::string& path, const CLI::App& app) {
  std::ifstream in(path);
  if (!in) return Refuse(absl::StrCat("--config: cannot read \"", path, "\""));
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(in);
  } catch (const CLI::Error& error) {
    return Refuse(absl::StrCat(path, ": ", error.what()));
  }
  Settings settings;
  for (const auto& item : items) {
    const std::string name = item.fullname();
    if (kRunOnly.contains(name) || app.get_option_no_throw("--" + name) == nullptr) {
      return Refuse(absl::StrCat(path, ": unknown key \"", name,
                                 "\"; keys are the flags' names, see latentd --print-config"));
    }
    if (item.inputs.size() == 1 && item.inputs[0].empty()) continue;  // as if it were not there
    if (item.inputs.size() != 1) {
      return Refuse(
          absl::StrCat(path, ": ", name, ": expected one value, got ", item.inputs.size()));
    }
    LATENT_RETURN_IF_ERROR(CheckSetting(name, item.inputs[0], path));
    settings[name] = item.inputs[0];
  }
  return settings;
}

// What the file says, and over it the environment.
absl::StatusOr<Settings> Elsewhere(const CLI::App& app, std::string file,
                                   const std::function<const char*(const char*)>& environment) {
  if (file.empty() && environment("LATENT_CONFIG") != nullptr) file = environment("LATENT_CONFIG");
  Settings settings;
  if (!file.empty()) {
    LATENT_ASSIGN_OR_RETURN(settings, ReadFile(file, app));
  }
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    const char* value = environment(VariableOf(name).c_str());
    if (value == nullptr || *value == '\0' || kRunOnly.contains(name)) continue;
    LATENT_RETURN_IF_ERROR(CheckSetting(name, value, VariableOf(name)));
    settings[name] = value;
  }
  return settings;
}

ConfigAction Print(std::string output) {
  return {.kind = ConfigAction::Kind::kPrintAndExit, .output = std::move(output), .config = {}};
}

// "host:port" apart; nullopt if it has another form. An IPv6 address stands in brackets.
struct HostPort {
  std::string host, port;
};
std::optional<HostPort> Split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort split{address.substr(0, colon), address.substr(colon + 1)};
  const bool bracketed = split.host.front() == '[' && split.host.back() == ']';
  if (!bracketed && absl::StrContains(split.host, ':')) return std::nullopt;
  if (bracketed) split.host = split.host.substr(1, split.host.size() - 2);
  return split;
}

bool IsPort(const std::string& text) {
  std::uint32_t port = 0;
  const bool digits =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && absl::SimpleAtoi(text, &port) && port <= 65535;
}

absl::Status CheckAddress(const std::string& flag, const std::string& address, bool insecure_bind) {
  if (absl::StartsWith(address, "unix:")) return absl::OkStatus();
  const std::optional<HostPort> split = Split(address);
  if (!split) {
    return Refuse(absl::StrCat(flag, ": expected host:port (an IPv6 host in brackets), got \"",
                               address, "\""));
  }
  if (!IsPort(split->port)) {
    return Refuse(absl::StrCat(flag, ": expected a port of 0 to 65535, got \"", split->port, "\""));
  }
  if (insecure_bind || IsLoopback(address)) return absl::OkStatus();
  return Refuse(
      absl::StrCat(flag, ": \"", address,
                   "\" is not a loopback address, and the server knows no passwords: "
                   "whoever reaches it may do anything. Bind 127.0.0.1 or a UNIX socket, or add "
                   "--insecure-bind if the network around it is closed"));
}

absl::Status CheckAddresses(const Config& config) {
  LATENT_RETURN_IF_ERROR(CheckAddress("--listen", config.listen, config.insecure_bind));
  if (config.metrics_listen == "off") return absl::OkStatus();
  if (absl::StartsWith(config.metrics_listen, "unix:")) {
    return Refuse("--metrics-listen: expected host:port or \"off\", got a UNIX socket");
  }
  return CheckAddress("--metrics-listen", config.metrics_listen, config.insecure_bind);
}

// A TOML string: literal where the text has quotes, as the reader of --config knows no escapes.
std::string TomlString(const std::string& text) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  const bool controls = std::any_of(text.begin(), text.end(), is_control);
  const bool plain = !controls && text.find_first_of("\"\\") == std::string::npos;
  if (plain) return absl::StrCat("\"", text, "\"");
  if (!controls && !absl::StrContains(text, '\'')) return absl::StrCat("'", text, "'");
  std::string out = "\"";
  for (const char c : text) {
    if (is_control(static_cast<unsigned char>(c))) {
      absl::StrAppend(&out, "\\u", absl::Hex(c, absl::kZeroPad4));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

bool IsLoopback(const std::string& address) {
  if (absl::StartsWith(address, "unix:")) return true;
  const std::optional<HostPort> split = Split(address);
  if (!split) return false;
  if (split->host == "localhost") return true;
  // Literals alone: a name may mean any address ("127.evil.example").
  in_addr v4{};
  if (::inet_pton(AF_INET, split->host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, split->host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::StatusOr<ConfigAction> ReadConfig(
    const std::vector<std::string>& arguments,
    const std::function<const char*(const char*)>& environment) {
  Parsed flags;
  CLI::App first("Latent: trains, publishes and serves autoencoders over gRPC.", "latentd");
  Declare(first, flags);
  LATENT_RETURN_IF_ERROR(Parse(first, arguments, ""));
  if (first.get_help_ptr()->count() > 0) return Print(first.help());
  if (flags.version) return Print(absl::StrCat("latentd ", kVersion, " (", kRevision, ")\n"));
  LATENT_ASSIGN_OR_RETURN(const Settings settings, Elsewhere(first, flags.file, environment));
  // Flags beat both: only what they left open is taken from elsewhere.
  std::vector<std::string> all = arguments;
  for (const auto& [name, value] : settings) {
    if (first.get_option("--" + name)->count() == 0) {
      all.push_back(absl::StrCat("--", name, "=", value));
    }
  }
  Parsed parsed;
  CLI::App second("", "latentd");
  Declare(second, parsed);
  LATENT_RETURN_IF_ERROR(Parse(second, all, ""));
  LATENT_RETURN_IF_ERROR(CheckAddresses(parsed.config));
  if (parsed.print_config) return Print(ToToml(parsed.config));
  return ConfigAction{.kind = ConfigAction::Kind::kRun, .output = {}, .config = parsed.config};
}

std::string ToToml(const Config& config) {
  std::ostringstream out;
  const RequestLimits& limits = config.limits;
  out << "listen = " << TomlString(config.listen)
      << "\nmetrics-listen = " << TomlString(config.metrics_listen)
      << "\nstate-dir = " << TomlString(config.state_dir) << "\ninsecure-bind = " << std::boolalpha
      << config.insecure_bind << "\nloops = " << config.loops << "\nspin-us = " << config.spin_us
      << "\nio-threads = " << config.io_threads << "\nio-queue = " << config.io_queue
      << "\ntrain-threads = " << config.train_threads
      << "\ntrain-priority = " << TomlString(config.train_priority)
      << "\nserving-weights = " << TomlString(config.serving_weights)
      << "\nmemory-budget-mib = " << config.memory_budget_mib
      << "\ndrain-seconds = " << config.drain_seconds << "\nmax-rows = " << limits.rows
      << "\nmax-columns = " << limits.columns << "\nmax-cells = " << limits.cells
      << "\nmax-message-mib = " << limits.message_mib
      << "\nmax-rows-in-flight = " << limits.rows_in_flight
      << "\nmax-queued-jobs = " << limits.queued_jobs
      << "\nmax-dataset-mib = " << limits.dataset_mib
      << "\nlog-format = " << TomlString(config.log_format)
      << "\nlog-level = " << TomlString(config.log_level)
      << "\nport-file = " << TomlString(config.port_file) << "\n";
  return out.str();
}

LogFormat LogFormatOf(const Config& config) {
  return config.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
}

Severity LogLevelOf(const Config& config) {
  if (config.log_level == "debug") return Severity::kDebug;
  if (config.log_level == "warning") return Severity::kWarning;
  return config.log_level == "error" ? Severity::kError : Severity::kInfo;
}

}  // namespace latent
