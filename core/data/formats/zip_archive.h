// The members of a zip archive, read one at a time. Member sizes are checked before anything is
// allocated by them. One thread.
#ifndef LATENT_CORE_DATA_FORMATS_ZIP_ARCHIVE_H_
#define LATENT_CORE_DATA_FORMATS_ZIP_ARCHIVE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/byte_source.h"

struct zip;

namespace latent {

// Members may exceed their packed size by this factor beyond a first mebibyte; deflate's own limit
// is 1032. Arrays of zeros come near it.
inline constexpr std::uint64_t kMaxZipRatio = 1032;

struct ZipMember {
  std::string name;
  std::uint64_t index = 0;
  std::uint64_t size = 0;  // unpacked
};

class ZipArchive {
 public:
  // Reads the list of members. INVALID_ARGUMENT, reason BAD_DATASET, if it is not a zip archive or
  // holds what cannot be read (encrypted members, too many, sizes beyond the limits).
  static absl::StatusOr<std::shared_ptr<ZipArchive>> Open(std::unique_ptr<ByteSource> bytes,
                                                          std::string_view name);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  // Of files alone, not folders, in order of their names.
  const std::vector<ZipMember>& members() const { return members_; }
  // All of a member's bytes, of which there may be at most `most`.
  absl::StatusOr<std::string> Read(const ZipMember& member, std::uint64_t most) const;
  // A member's bytes as they are unpacked. `archive` lives as long as the source.
  static absl::StatusOr<std::unique_ptr<ByteSource>> Stream(
      const std::shared_ptr<ZipArchive>& archive, const ZipMember& member);

 private:
  ZipArchive(std::string name, std::string bytes);
  absl::Status List();

  const std::string name_;
  const std::string bytes_;  // of an archive that is not a file
  zip* archive_ = nullptr;
  std::vector<ZipMember> members_;
};

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_ZIP_ARCHIVE_H_
