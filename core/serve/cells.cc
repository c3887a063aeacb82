#include "core/serve/cells.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::Status CheckCells(std::string_view path, const Cells& cells, std::size_t columns,
                        std::string_view width_of) {
  if (cells.rows == 0) return InvalidField(path, "expected at least one row, got none");
  if (cells.columns != columns) {
    return InvalidField(path, absl::StrCat("expected rows of ", columns, " cells, as ",
                                           Absl(width_of), " takes them, got ", cells.columns));
  }
  for (std::size_t i = 0; i < cells.values.size(); ++i) {
    if (std::isfinite(cells.values[i])) continue;
    const char* what = std::isnan(cells.values[i]) ? "NaN" : "an infinity";
    return InvalidField(path, absl::StrCat("expected finite cells, got ", what, " in row ",
                                           i / columns, ", column ", i % columns));
  }
  return absl::OkStatus();
}

}  // namespace latent
