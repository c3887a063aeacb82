// Pages of lists. The token is opaque to callers: the last key of the previous page, encoded.
#ifndef LATENT_CORE_STORE_PAGE_H_
#define LATENT_CORE_STORE_PAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace latent {

struct PageRequest {
  std::int32_t size = 0;  // 1 to 1000; 0: 100
  std::string token;      // of the previous page; empty: the first
};

// The page's size after the default. INVALID_ARGUMENT for "page_size" out of range.
absl::StatusOr<std::int64_t> CheckedPageSize(const PageRequest& page);
// `list` names the list and its filters, so that a token cannot be used for another one.
std::string MakePageToken(std::string_view list, std::string_view last_key);
// The last key; empty for an empty token. INVALID_ARGUMENT for "page_token" if it is not of `list`.
absl::StatusOr<std::string> ReadPageToken(std::string_view list, std::string_view token);

}  // namespace latent

#endif  // LATENT_CORE_STORE_PAGE_H_
