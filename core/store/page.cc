#include "core/store/page.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr std::int64_t kDefaultSize = 100;
constexpr std::int64_t kMaxSize = 1000;
constexpr char kEnd = '\0';  // between the parts of a token; in no name

// Ties a token to its list, and catches tokens that were cut or edited.
std::string CheckOf(std::string_view list, std::string_view key) {
  return absl::StrCat(absl::Hex(Crc32c(key, Crc32c(list)), absl::kZeroPad8));
}

}  // namespace

absl::StatusOr<std::int64_t> CheckedPageSize(const PageRequest& page) {
  if (page.size == 0) return kDefaultSize;
  if (page.size > 0) return std::min<std::int64_t>(page.size, kMaxSize);
  return InvalidField("page_size",
                      absl::StrCat("expected 0 (for ", kDefaultSize, ") or more, got ", page.size));
}

std::string MakePageToken(std::string_view list, std::string_view last_key) {
  std::string token = CheckOf(list, last_key);
  token.push_back(kEnd);
  token.append(last_key);
  std::string encoded;
  absl::WebSafeBase64Escape(token, &encoded);
  return encoded;
}

absl::StatusOr<std::string> ReadPageToken(std::string_view list, std::string_view token) {
  if (token.empty()) return std::string();
  std::string decoded;
  if (absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &decoded)) {
    const std::size_t end = decoded.find(kEnd);
    if (end != std::string::npos &&
        decoded.substr(0, end) == CheckOf(list, decoded.substr(end + 1)))
      return decoded.substr(end + 1);
  }
  return InvalidField("page_token",
                      "expected next_page_token of the previous page of the same list; start "
                      "again without one");
}

}  // namespace latent
