#include "core/data/ids.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace latent {
namespace {

bool IsPlainNumber(const std::string& id) {
  const bool digits = !id.empty() && id.find_first_not_of("0123456789") == std::string::npos;
  return digits && (id.size() == 1 || id.front() != '0');
}

// Numbers without leading zeros: the longer one is the greater.
bool IsLessNumber(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

std::uint32_t IdTable::Number(std::string_view id) {
  const auto next = static_cast<std::uint32_t>(ids_.size());
  const auto [found, is_new] = numbers_.try_emplace(std::string(id), next);
  if (is_new) ids_.emplace_back(id);
  return found->second;
}

std::vector<std::uint32_t> IdTable::Sort() {
  std::vector<std::string> sorted = ids_;
  SortIds(sorted);
  std::vector<std::uint32_t> places(sorted.size());
  for (std::uint32_t place = 0; place < sorted.size(); ++place) {
    std::uint32_t& number = numbers_.find(sorted[place])->second;
    places[std::exchange(number, place)] = place;
  }
  ids_ = std::move(sorted);
  return places;
}

void SortIds(std::vector<std::string>& ids) {
  const bool numbers = std::all_of(ids.begin(), ids.end(), &IsPlainNumber);
  std::sort(ids.begin(), ids.end(), [numbers](const std::string& a, const std::string& b) {
    return numbers ? IsLessNumber(a, b) : a < b;
  });
}

}  // namespace latent
