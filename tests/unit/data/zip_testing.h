// Makes zip archives, proper and hostile ones, for tests of core/data.
#ifndef LATENT_TESTS_UNIT_DATA_ZIP_TESTING_H_
#define LATENT_TESTS_UNIT_DATA_ZIP_TESTING_H_

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/data/data_testing.h"

namespace latent::testing {

struct ZipEntry {
  std::string name;
  std::string bytes;
  bool deflate = false;
  std::uint32_t declared_size = 0;  // 0: the true one
  std::uint16_t flags = 0;          // 1: encrypted
};

inline std::string Deflated(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

template <typename T>
std::string Little(T value) {
  return Raw(std::vector<T>{value}, std::endian::little);
}

inline std::string Zip(const std::vector<ZipEntry>& entries) {
  std::string out, directory;
  for (const ZipEntry& entry : entries) {
    const std::string packed = entry.deflate ? Deflated(entry.bytes) : entry.bytes;
    const auto size = entry.declared_size != 0 ? entry.declared_size
                                               : static_cast<std::uint32_t>(entry.bytes.size());
    const auto crc =
        static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(entry.bytes.data()),
                                         static_cast<uInt>(entry.bytes.size())));
    // Version, flags, method, time, date, checksum, sizes, length of the name, of extra fields.
    const std::string common = Little<std::uint16_t>(20) + Little(entry.flags) +
                               Little<std::uint16_t>(entry.deflate ? 8 : 0) +
                               Little<std::uint16_t>(0) + Little<std::uint16_t>(33) + Little(crc) +
                               Little(static_cast<std::uint32_t>(packed.size())) + Little(size) +
                               Little(static_cast<std::uint16_t>(entry.name.size())) +
                               Little<std::uint16_t>(0);
    directory += "PK\x01\x02" + Little<std::uint16_t>(20) + common + Little<std::uint16_t>(0) +
                 Little<std::uint16_t>(0) + Little<std::uint16_t>(0) + Little<std::uint32_t>(0) +
                 Little(static_cast<std::uint32_t>(out.size())) + entry.name;
    out += "PK\x03\x04" + common + entry.name + packed;
  }
  const auto count = static_cast<std::uint16_t>(entries.size());
  return out + directory + "PK\x05\x06" + Little<std::uint32_t>(0) + Little(count) + Little(count) +
         Little(static_cast<std::uint32_t>(directory.size())) +
         Little(static_cast<std::uint32_t>(out.size())) + Little<std::uint16_t>(0);
}

// A safetensors file: the header's text and the data.
inline std::string Safetensors(const std::string& header, const std::string& data) {
  return Little(static_cast<std::uint64_t>(header.size())) + header + data;
}

// A PNG of gray (1 channel), gray with alpha (2), RGB (3) pixels of 8 bits.
inline std::string Png(std::uint32_t width, std::uint32_t height, std::size_t channels,
                       const std::vector<std::uint8_t>& pixels) {
  const auto chunk = [](const std::string& type, const std::string& data) {
    const std::string body = type + data;
    const auto crc = static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
    const auto big = [](std::uint32_t value) {
      return Raw(std::vector<std::uint32_t>{value}, std::endian::big);
    };
    return big(static_cast<std::uint32_t>(data.size())) + body + big(crc);
  };
  constexpr char kColorTypes[] = {0, 0, 4, 2};
  std::string rows;
  for (std::size_t at = 0; at < pixels.size(); at += width * channels) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(pixels.data()) + at, width * channels);
  }
  std::string packed(compressBound(static_cast<uLong>(rows.size())), '\0');
  auto size = static_cast<uLongf>(packed.size());
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()));
  packed.resize(size);
  const std::string header = Raw(std::vector<std::uint32_t>{width, height}, std::endian::big) +
                             std::string{8, kColorTypes[channels], 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", packed) + chunk("IEND", "");
}

}  // namespace latent::testing

#endif  // LATENT_TESTS_UNIT_DATA_ZIP_TESTING_H_
