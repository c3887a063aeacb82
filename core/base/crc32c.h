// CRC-32C (Castagnoli, RFC 3720 appendix B.4): Crc32c("123456789") == 0xE3069283. Any thread.
#ifndef LATENT_CORE_BASE_CRC32C_H_
#define LATENT_CORE_BASE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace latent {

// The checksum of `bytes`; with `before`, the checksum of what had that one, followed by `bytes`.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace latent

#endif  // LATENT_CORE_BASE_CRC32C_H_
