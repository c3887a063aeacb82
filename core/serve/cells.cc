#include "core/serve/cells.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

// Whether a cell is NaN or infinite, by the exponent's bits: a loop that vectorises.
bool AnyNotFinite(std::span<const float> cells) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t found = 0;
  for (const float cell : cells) {
    found |=
        static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(cell) & kExponent) == kExponent);
  }
  return found != 0;
}

}  // namespace

std::optional<std::size_t> FirstNotFinite(MatrixView<const float> rows) {
  for (std::size_t r = 0; r < rows.rows; ++r) {
    if (AnyNotFinite(rows.row(r))) return r;
  }
  return std::nullopt;
}

std::optional<std::size_t> FirstNotFinite(std::span<const double> rows) {
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (!std::isfinite(rows[r])) return r;
  }
  return std::nullopt;
}

absl::Status AnswerNotFinite(std::string_view path, std::size_t row, std::string_view model) {
  return InvalidField(path, absl::StrCat("expected cells that ", Absl(model),
                                         " can carry, got some so large that row ", row,
                                         " of the answer is not finite; send rows in the range of "
                                         "the training data"));
}

absl::Status CheckCells(std::string_view path, MatrixView<const float> cells, std::size_t columns,
                        std::string_view width_of, MissingCells missing) {
  if (cells.rows == 0) return InvalidField(path, "expected at least one row, got none");
  if (cells.columns != columns) {
    return InvalidField(path, absl::StrCat("expected rows of ", columns, " cells, as ",
                                           Absl(width_of), " takes them, got ", cells.columns));
  }
  for (std::size_t r = 0; r < cells.rows; ++r) {
    if (!AnyNotFinite(cells.row(r))) continue;
    for (std::size_t c = 0; c < columns; ++c) {
      const bool is_nan = std::isnan(cells(r, c));
      if (std::isfinite(cells(r, c)) || (is_nan && missing == MissingCells::kTaken)) continue;
      return InvalidField(
          path, absl::StrCat("expected finite cells, got ", is_nan ? "NaN" : "an infinity",
                             " in row ", r, ", column ", c,
                             is_nan ? "; a missing cell is for models with the mixed likelihood, "
                                      "others take it by Denoise.missing"
                                    : ""));
    }
  }
  return absl::OkStatus();
}

}  // namespace latent
