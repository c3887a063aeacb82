// Bytes that come one after another: a file, memory, or the unpacked content of a gzip stream.
// A source belongs to its caller and to one thread at a time.
#ifndef LATENT_CORE_DATA_BYTE_SOURCE_H_
#define LATENT_CORE_DATA_BYTE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace latent {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` as far as bytes are left; fewer bytes than asked for mean the end.
  virtual absl::StatusOr<std::size_t> Read(std::span<char> out) = 0;
  // An upper bound on the bytes that can still come, known without reading them.
  virtual std::uint64_t remaining_bound() const = 0;
  // The file that the bytes are the whole of; "" if they come from elsewhere.
  virtual std::string path() const { return ""; }
};

// Unpacked bytes may exceed packed ones by this factor (deflate's own limit is 1032) beyond a first
// mebibyte; real images of mostly zeros stay below it.
inline constexpr std::uint64_t kMaxGzipRatio = 200;
inline constexpr std::uint64_t kGzipRatioFloorBytes = 1 << 20;

// NOT_FOUND or the system's error.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const std::string& path);
// The bytes must outlive the source.
std::unique_ptr<ByteSource> FromMemory(std::string_view bytes);
// The first `count` bytes (fewer at the end), which `source` will still yield.
absl::StatusOr<std::string> Peek(std::unique_ptr<ByteSource>& source, std::size_t count);
// `bytes` unpacked if they begin with gzip's magic number (one or more members), else as they are.
// `name` is what errors (INVALID_ARGUMENT, reason BAD_DATASET) call the file.
absl::StatusOr<std::unique_ptr<ByteSource>> UnpackIfGzip(std::unique_ptr<ByteSource> bytes,
                                                         std::string_view name);

}  // namespace latent

#endif  // LATENT_CORE_DATA_BYTE_SOURCE_H_
