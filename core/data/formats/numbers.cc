#include <cmath>
#include <limits>
#include <system_error>

#include "absl/strings/charconv.h"
#include "core/data/formats/readers.h"

namespace latent {

std::optional<double> ParseNumber(std::string_view text) {
  if (text.size() > kMaxNumberBytes) return std::nullopt;
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  // absl::from_chars would take hexadecimal numbers.
  if (text.find_first_of("xX") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto result = absl::from_chars(text.data(), end, value);
  // Out of range leaves 0 or the greatest double, which is what is meant or what is then refused.
  if (text.empty() || result.ptr != end || result.ec == std::errc::invalid_argument) {
    return std::nullopt;
  }
  return result.ec == std::errc::result_out_of_range && std::abs(value) > 1
             ? std::copysign(std::numeric_limits<double>::infinity(), value)
             : value;
}

std::optional<std::int32_t> ParseLabelNumber(std::string_view text) {
  constexpr double kLeast = std::numeric_limits<std::int32_t>::min();
  constexpr double kMost = std::numeric_limits<std::int32_t>::max();
  const std::optional<double> value = ParseNumber(text);
  if (!value || *value < kLeast || *value > kMost || *value != std::floor(*value)) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(*value);
}

}  // namespace latent
