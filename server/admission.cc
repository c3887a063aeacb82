#include "server/admission.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{50};

absl::Status TooMany(const char* reason, const char* what, std::uint64_t before, std::uint64_t more,
                     std::uint64_t limit) {
  ErrorDetails details;
  details.reason = reason;
  details.metadata["limit"] = absl::StrCat(limit);
  details.retry_after = kRetryAfter;
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat(before, " ", what, " are in flight, and ", more,
                                " more would exceed the limit of ", limit, "; try again shortly"),
                   std::move(details));
}

}  // namespace

Admission::~Admission() {
  if (of_ == nullptr) return;
  of_->rows_.fetch_sub(rows_, std::memory_order_relaxed);
  of_->bytes_.fetch_sub(bytes_, std::memory_order_relaxed);
}

absl::StatusOr<Admission> InFlight::Admit(std::uint64_t rows, std::uint64_t bytes) {
  const std::uint64_t rows_before = rows_.fetch_add(rows, std::memory_order_relaxed);
  const std::uint64_t bytes_before = bytes_.fetch_add(bytes, std::memory_order_relaxed);
  Admission admission(this, rows, bytes);  // gives back what is refused
  if (rows_before == 0) return admission;
  if (rows_before + rows > max_rows_) {
    return TooMany("TOO_MANY_ROWS_IN_FLIGHT", "rows", rows_before, rows, max_rows_);
  }
  if (bytes_before + bytes > max_bytes_) {
    return TooMany("TOO_MANY_BYTES_IN_FLIGHT", "bytes of rows", bytes_before, bytes, max_bytes_);
  }
  return admission;
}

}  // namespace latent
