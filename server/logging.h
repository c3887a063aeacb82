// The server's log: one line an event on stderr, as JSON or as text. No payloads; strings are
// escaped and cut at 256 bytes. Set up once by App; writing is safe from any thread.
#ifndef LATENT_SERVER_LOGGING_H_
#define LATENT_SERVER_LOGGING_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace latent {

enum class LogFormat { kJson, kText };
enum class Severity { kDebug, kInfo, kWarning, kError };

void ConfigureLog(LogFormat format, Severity least);
bool LogEnabled(Severity severity);

struct LogField {
  std::string_view name;
  std::variant<std::string_view, double> value;
};
// Empty strings are left out.
void Log(Severity severity, std::string_view message, std::initializer_list<LogField> fields = {});

// The line without its end, as Log writes it; `timestamp` is RFC 3339.
std::string FormatLogLine(LogFormat format, std::string_view timestamp, Severity severity,
                          std::string_view message, std::initializer_list<LogField> fields);

}  // namespace latent

#endif  // LATENT_SERVER_LOGGING_H_
