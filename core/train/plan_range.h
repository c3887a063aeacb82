// Range checks that word their complaint. Internal to core/train.
#ifndef LATENT_CORE_TRAIN_PLAN_RANGE_H_
#define LATENT_CORE_TRAIN_PLAN_RANGE_H_

#include <cmath>
#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent::internal {

inline constexpr std::uint64_t kMaxUnits = 65536;
inline constexpr int kMaxLayers = 64;

inline void CheckCount(std::string_view path, std::uint64_t value, std::uint64_t low,
                       std::uint64_t high, FieldErrors& errors) {
  if (value >= low && value <= high) return;
  errors.Add(path, absl::StrCat("expected ", low, " to ", high, ", got ", value));
}

// NaN and infinity are in no interval.
inline void CheckInterval(std::string_view path, double value, double low, double high,
                          FieldErrors& errors) {
  if (value >= low && value <= high) return;
  errors.Add(path, absl::StrCat("expected ", low, " to ", high, ", got ", value));
}

inline void CheckNotNegative(std::string_view path, double value, FieldErrors& errors) {
  if (std::isfinite(value) && value >= 0) return;
  errors.Add(path, absl::StrCat("expected a finite number >= 0, got ", value));
}

inline void CheckPositive(std::string_view path, double value, FieldErrors& errors) {
  if (std::isfinite(value) && value > 0) return;
  errors.Add(path, absl::StrCat("expected a finite number > 0, got ", value));
}

// At least 0 and less than 1.
inline void CheckDecay(std::string_view path, double value, FieldErrors& errors) {
  if (value >= 0 && value < 1) return;
  errors.Add(path, absl::StrCat("expected 0 <= value < 1, got ", value));
}

}  // namespace latent::internal

#endif  // LATENT_CORE_TRAIN_PLAN_RANGE_H_
