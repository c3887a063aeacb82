#include "core/model/top_k.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

LATENT_NUMERICS_BEGIN

void KeepGreatest(std::size_t k, bool relu, std::span<Real> cells, std::span<Real> scratch,
                  std::span<std::uint8_t> kept) {
  std::fill(kept.begin(), kept.end(), std::uint8_t{1});
  if (std::any_of(cells.begin(), cells.end(), [](Real x) { return std::isnan(x); })) return;
  Real least = -std::numeric_limits<Real>::infinity();
  std::size_t ties = cells.size();
  if (k < cells.size()) {
    std::copy(cells.begin(), cells.end(), scratch.begin());
    const auto border = scratch.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(scratch.begin(), border, scratch.end(), std::greater<>());
    least = *border;
    ties = k - static_cast<std::size_t>(
                   std::count_if(cells.begin(), cells.end(), [&](Real x) { return x > least; }));
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    bool keep = cells[i] > least;
    if (cells[i] == least && ties > 0) {
      keep = true;
      --ties;
    }
    if (relu && !(cells[i] > 0)) keep = false;
    if (!keep) cells[i] = 0;
    if (!kept.empty()) kept[i] = keep ? 1 : 0;
  }
}

LATENT_NUMERICS_END
