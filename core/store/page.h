// Pages of lists. The token is opaque to callers: the last key of the previous page, encoded.
#ifndef LATENT_CORE_STORE_PAGE_H_
#define LATENT_CORE_STORE_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace latent {

struct PageRequest {
  std::int32_t size = 0;  // 0: 100; more than 1000: 1000
  std::string token;      // of the previous page; empty: the first
};

// The page's size after default and bound. INVALID_ARGUMENT for a negative "page_size".
absl::StatusOr<std::int64_t> CheckedPageSize(const PageRequest& page);
// `list` names the list and its filters, so that a token cannot be used for another one.
std::string MakePageToken(std::string_view list, std::string_view last_key);
// The last key; empty for an empty token. INVALID_ARGUMENT for "page_token" if it is not of `list`.
absl::StatusOr<std::string> ReadPageToken(std::string_view list, std::string_view token);

// A page ends after kMaxBytes too, though not before its first entry: entries vary in size, and a
// page must fit in a message.
class PageBudget {
 public:
  static constexpr std::size_t kMaxBytes = 2 << 20;
  // Whether an entry of so many bytes still belongs to the page. After false, ask no more.
  bool Takes(std::size_t bytes) {
    const bool first = used_ == 0;
    used_ += bytes;
    return first || used_ <= kMaxBytes;
  }

 private:
  std::size_t used_ = 0;
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_PAGE_H_
