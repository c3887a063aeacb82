// Makes the bytes of data files, and scratch directories, for tests of core/data.
#ifndef LATENT_TESTS_UNIT_DATA_DATA_TESTING_H_
#define LATENT_TESTS_UNIT_DATA_DATA_TESTING_H_

#include <stdlib.h>
#include <zlib.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/status.h"
#include "core/data/formats.h"

namespace latent::testing {

inline std::string Gzip(std::string_view bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
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
std::string Raw(const std::vector<T>& values, std::endian order) {
  std::string out;
  for (const T value : values) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out.push_back(bytes[order == std::endian::native ? i : sizeof(T) - 1 - i]);
    }
  }
  return out;
}

// An IDX file: type code, dimensions, elements.
template <typename T>
std::string Idx(unsigned char type, const std::vector<std::uint32_t>& dimensions,
                const std::vector<T>& values) {
  std::string out = {'\0', '\0', static_cast<char>(type), static_cast<char>(dimensions.size())};
  return out + Raw(dimensions, std::endian::big) + Raw(values, std::endian::big);
}

// An NPY file of version 1, 2 or 3 with this dictionary and these bytes.
inline std::string NpyOf(int version, std::string dictionary, const std::string& data) {
  dictionary += "\n";
  std::string out = "\x93NUMPY";
  out += {static_cast<char>(version), '\0'};
  const auto size = static_cast<std::uint32_t>(dictionary.size());
  std::string size_bytes = Raw(std::vector<std::uint32_t>{size}, std::endian::little);
  size_bytes.resize(version == 1 ? 2 : 4);
  return out + size_bytes + dictionary + data;
}
template <typename T>
std::string Npy(const std::string& descr, const std::string& shape, const std::vector<T>& values,
                int version = 1) {
  return NpyOf(version,
               "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }",
               Raw(values, std::endian::little));
}

// Everything in a file's bytes.
struct Table {
  RowsHeader header;
  std::vector<std::vector<double>> rows;
  std::vector<std::int32_t> labels;
};
inline absl::StatusOr<Table> ReadAll(std::string_view bytes, FileFormat format,
                                     ReadOptions options = {}) {
  if (options.name.empty()) options.name = "file";
  LATENT_ASSIGN_OR_RETURN(const auto reader, OpenRows(FromMemory(bytes), format, options));
  Table table;
  table.header = reader->header();
  std::vector<double> row(table.header.columns);
  for (std::int32_t label = 0;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, reader->Next(row, &label));
    if (!more) return table;
    table.rows.push_back(row);
    if (table.header.has_labels) table.labels.push_back(label);
  }
}

// A directory that vanishes with this object.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "latent_data_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, std::string_view bytes) const {
    const std::string file = path_ + "/" + name;
    std::ofstream(file, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file;
  }
  std::string MakeDir(const std::string& name) const {
    std::filesystem::create_directory(path_ + "/" + name);
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

inline std::string ReadFileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace latent::testing

#endif  // LATENT_TESTS_UNIT_DATA_DATA_TESTING_H_
