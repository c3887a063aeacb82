// Names that a file gives its rows or columns. One thread.
#ifndef LATENT_CORE_DATA_IDS_H_
#define LATENT_CORE_DATA_IDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace latent {

inline constexpr std::size_t kMaxIdBytes = 256;

// Ids by the order in which they came.
class IdTable {
 public:
  std::uint32_t Number(std::string_view id);
  const std::vector<std::string>& ids() const { return ids_; }
  // Puts the ids in order; the new number of each old one.
  std::vector<std::uint32_t> Sort();

 private:
  absl::flat_hash_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> ids_;
};

// The order of ids: by value if all of them are whole numbers written plainly ("0", "17"), else
// byte by byte.
void SortIds(std::vector<std::string>& ids);

}  // namespace latent

#endif  // LATENT_CORE_DATA_IDS_H_
