// What the protocol asks callers to compute: checksums, hashes, request ids. Any thread.
#ifndef LATENT_CLIENT_CHECKSUM_H_
#define LATENT_CLIENT_CHECKSUM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace latent::client_internal {

// CRC-32C (Castagnoli): 0xE3069283 of "123456789".
std::uint32_t UploadCrc32c(std::string_view bytes);

// SHA-256 of bytes that come in pieces.
class FileHash {
 public:
  FileHash();
  ~FileHash();
  void Update(std::string_view bytes);
  // 64 lower-case hex digits; call it once.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A random UUID of version 4.
std::string NewRequestId();

}  // namespace latent::client_internal

#endif  // LATENT_CLIENT_CHECKSUM_H_
