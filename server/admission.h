// What is in flight over all calls, in rows and in bytes, and the refusal of more. Owned by the
// inference service, outlives all calls; any thread. An Admission is what one call holds of it.
#ifndef LATENT_SERVER_ADMISSION_H_
#define LATENT_SERVER_ADMISSION_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace latent {

class InFlight;

// Gives rows and bytes back when it goes.
class Admission {
 public:
  Admission() = default;
  Admission(Admission&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)), rows_(other.rows_), bytes_(other.bytes_) {}
  Admission& operator=(Admission&& other) noexcept {
    std::swap(of_, other.of_);
    std::swap(rows_, other.rows_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Admission();

 private:
  friend class InFlight;
  Admission(InFlight* of, std::uint64_t rows, std::uint64_t bytes)
      : of_(of), rows_(rows), bytes_(bytes) {}
  InFlight* of_ = nullptr;
  std::uint64_t rows_ = 0, bytes_ = 0;
};

class InFlight {
 public:
  InFlight(std::uint64_t max_rows, std::uint64_t max_bytes)
      : max_rows_(max_rows), max_bytes_(max_bytes) {}
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  // RESOURCE_EXHAUSTED with a retry delay, reason TOO_MANY_ROWS_IN_FLIGHT or
  // TOO_MANY_BYTES_IN_FLIGHT, if that would exceed a limit; what comes alone is always admitted.
  absl::StatusOr<Admission> Admit(std::uint64_t rows, std::uint64_t bytes);
  std::uint64_t rows() const { return rows_.load(std::memory_order_relaxed); }

 private:
  friend class Admission;
  const std::uint64_t max_rows_, max_bytes_;
  std::atomic<std::uint64_t> rows_{0}, bytes_{0};
};

}  // namespace latent

#endif  // LATENT_SERVER_ADMISSION_H_
