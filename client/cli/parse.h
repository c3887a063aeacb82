// Small notations of the command line's values. Pure functions; any thread. Errors are
// INVALID_ARGUMENT and say what was expected and what came.
#ifndef LATENT_CLIENT_CLI_PARSE_H_
#define LATENT_CLIENT_CLI_PARSE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace latent::cli {

// "28x28x1"; empty text gives an empty shape.
absl::StatusOr<std::vector<std::uint32_t>> ParseShape(const std::string& text);

// "512,256" as numbers; empty text gives none.
absl::StatusOr<std::vector<std::uint32_t>> ParseCounts(const std::string& flag,
                                                       const std::string& text);
absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& flag, const std::string& text);

// "gaussian:0.3": a kind and, after a colon, its level if there is one.
struct KindAndLevel {
  std::string kind;
  bool has_level = false;
  double level = 0;
  bool Is(const char* name) const;
};
absl::StatusOr<KindAndLevel> ParseKind(const std::string& flag, const std::string& text,
                                       const std::vector<std::string>& kinds);

// {"key=value", ...}.
absl::StatusOr<std::map<std::string, std::string>> ParseLabels(
    const std::vector<std::string>& pairs);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_PARSE_H_
