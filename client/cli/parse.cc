#include "client/cli/parse.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace latent::cli {
namespace {

absl::Status Bad(const std::string& flag, const std::string& expected, const std::string& got) {
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": expected ", expected, ", got \"", got, "\""));
}

template <typename Number>
absl::StatusOr<std::vector<Number>> ParseList(const std::string& flag, const std::string& text,
                                              char separator, const std::string& expected,
                                              bool (*parse)(absl::string_view, Number*)) {
  std::vector<Number> numbers;
  if (text.empty()) return numbers;
  for (absl::string_view part : absl::StrSplit(text, separator)) {
    Number number{};
    if (!parse(part, &number)) return Bad(flag, expected, text);
    numbers.push_back(number);
  }
  return numbers;
}

bool ParseCount(absl::string_view text, std::uint32_t* count) {
  return absl::SimpleAtoi(text, count);
}

}  // namespace

absl::StatusOr<std::vector<std::uint32_t>> ParseShape(const std::string& text) {
  return ParseList<std::uint32_t>("--row-shape", text, 'x', "numbers such as 28x28x1", ParseCount);
}

absl::StatusOr<std::vector<std::uint32_t>> ParseCounts(const std::string& flag,
                                                       const std::string& text) {
  return ParseList<std::uint32_t>(flag, text, ',', "numbers such as 512,256", ParseCount);
}

absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& flag, const std::string& text) {
  return ParseList<double>(flag, text, ',', "numbers such as 0,0.01,0", absl::SimpleAtod);
}

bool KindAndLevel::Is(const char* name) const { return kind == name; }

absl::StatusOr<KindAndLevel> ParseKind(const std::string& flag, const std::string& text,
                                       const std::vector<std::string>& kinds) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  KindAndLevel parsed{.kind = parts[0], .has_level = parts.size() > 1, .level = 0};
  const bool known = std::find(kinds.begin(), kinds.end(), parsed.kind) != kinds.end();
  if (!known || (parsed.has_level && !absl::SimpleAtod(parts[1], &parsed.level))) {
    return Bad(flag,
               absl::StrCat("one of ", absl::StrJoin(kinds, ", "),
                            ", with a level after a colon where there is one"),
               text);
  }
  return parsed;
}

absl::StatusOr<std::map<std::string, std::string>> ParseLabels(
    const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> labels;
  for (const std::string& pair : pairs) {
    const std::vector<std::string> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[0].empty()) return Bad("--label", "KEY=VALUE", pair);
    labels[parts[0]] = parts[1];
  }
  return labels;
}

}  // namespace latent::cli
