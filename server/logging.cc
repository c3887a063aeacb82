#include "server/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

constexpr std::size_t kMaxStringBytes = 256;
constexpr std::string_view kSeverityNames[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

std::atomic<LogFormat> g_format{LogFormat::kText};
std::atomic<Severity> g_least{Severity::kInfo};

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("latent",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::string Timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                         utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, ms.count() % 1000);
}

// The string as JSON: escaped, cut, and valid UTF-8 whatever came in.
std::string Quoted(std::string_view text) {
  return nlohmann::json(std::string(text.substr(0, kMaxStringBytes)))
      .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void ConfigureLog(LogFormat format, Severity least) {
  g_format = format;
  g_least = least;
}

bool LogEnabled(Severity severity) { return severity >= g_least.load(std::memory_order_relaxed); }

std::string FormatLogLine(LogFormat format, std::string_view timestamp, Severity severity,
                          std::string_view message, std::initializer_list<LogField> fields) {
  const bool json = format == LogFormat::kJson;
  const std::string_view name = kSeverityNames[static_cast<int>(severity)];
  std::string line;
  const auto add = [&](std::string_view key, std::string_view value) {
    line.append(json ? (line.empty() ? "{\"" : ",\"") : " ").append(key);
    line.append(json ? "\":" : "=").append(value);
  };
  if (json) {
    add("ts", Quoted(timestamp));
    add("severity", Quoted(name));
    add("msg", Quoted(message));
  } else {
    line.append(timestamp).append(" ").append(name).append(" ");
    const std::string quoted = Quoted(message);
    line.append(quoted, 1, quoted.size() - 2);
  }
  for (const LogField& field : fields) {
    if (const auto* number = std::get_if<double>(&field.value)) {
      add(field.name, absl::StrFormat("%.6g", *number));
    } else if (const auto text = std::get<std::string_view>(field.value); !text.empty()) {
      add(field.name, Quoted(text));
    }
  }
  if (json) line += '}';
  return line;
}

void Log(Severity severity, std::string_view message, std::initializer_list<LogField> fields) {
  if (!LogEnabled(severity)) return;
  const std::string line = FormatLogLine(g_format, Timestamp(), severity, message, fields);
  Logger().log(spdlog::level::info, "{}", line);
}

}  // namespace latent
