// Small helpers around POSIX calls. A UniqueFd owns its descriptor; values, any thread.
#ifndef LATENT_CORE_BASE_POSIX_H_
#define LATENT_CORE_BASE_POSIX_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace latent {

// The current errno as a status: NOT_FOUND, ALREADY_EXISTS, RESOURCE_EXHAUSTED (disk, quota,
// descriptors, memory), FAILED_PRECONDITION (a link or a wrong kind of file), else UNAVAILABLE.
// Names the operation and the last part of `path` alone: callers must not learn our folders.
absl::Status ErrnoError(std::string_view operation, const std::string& path);

// The last part of a path, and what stands before it ("." if nothing does).
std::string BaseName(const std::string& path);
std::string ParentOf(const std::string& path);

class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { Reset(); }
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_;
};

}  // namespace latent

#endif  // LATENT_CORE_BASE_POSIX_H_
