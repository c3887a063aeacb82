#include "core/data/formats/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats.h"
#include "core/data/formats/readers.h"

namespace latent {
namespace {

constexpr std::int64_t kMaxMembers = 10'000'000;
// Of an archive that comes from memory or out of gzip.
constexpr std::uint64_t kMaxBytesInMemory = 1ull << 30;

std::string TextOf(zip_error_t* error) {
  std::string text = zip_error_strerror(error);
  zip_error_fini(error);
  return text;
}

absl::StatusOr<std::string> ReadWhole(ByteSource& bytes, std::string_view name) {
  std::string all;
  for (;;) {
    const std::size_t before = all.size();
    if (before > kMaxBytesInMemory) {
      return BadFile(name, absl::StrCat("holds more than ", kMaxBytesInMemory, " bytes of zip"));
    }
    all.resize(before + (1 << 20));
    LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes.Read(std::span(all).subspan(before)));
    all.resize(before + got);
    if (got < (1 << 20)) return all;
  }
}

class MemberSource : public ByteSource {
 public:
  MemberSource(std::shared_ptr<ZipArchive> archive, std::string name, zip_file_t* file,
               std::uint64_t size)
      : archive_(std::move(archive)), name_(std::move(name)), file_(file), left_(size) {}
  ~MemberSource() override { zip_fclose(file_); }
  MemberSource(const MemberSource&) = delete;
  MemberSource& operator=(const MemberSource&) = delete;

  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const zip_int64_t got = zip_fread(file_, out.data() + done, out.size() - done);
      if (got < 0) {
        return BadFile(name_, absl::StrCat("cannot be unpacked: ", zip_file_strerror(file_)));
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
      left_ -= std::min(left_, static_cast<std::uint64_t>(got));
    }
    return done;
  }
  std::uint64_t remaining_bound() const override { return left_; }

 private:
  const std::shared_ptr<ZipArchive> archive_;
  const std::string name_;
  zip_file_t* const file_;
  std::uint64_t left_;
};

}  // namespace

ZipArchive::ZipArchive(std::string name, std::string bytes)
    : name_(std::move(name)), bytes_(std::move(bytes)) {}

ZipArchive::~ZipArchive() {
  if (archive_ != nullptr) zip_discard(archive_);
}

absl::StatusOr<std::shared_ptr<ZipArchive>> ZipArchive::Open(std::unique_ptr<ByteSource> bytes,
                                                             std::string_view name) {
  const std::string path(bytes->path());
  std::string whole;
  if (path.empty()) {
    LATENT_ASSIGN_OR_RETURN(whole, ReadWhole(*bytes, name));
  }
  std::shared_ptr<ZipArchive> archive(new ZipArchive(std::string(name), std::move(whole)));
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source =
      path.empty()
          ? zip_source_buffer_create(archive->bytes_.data(), archive->bytes_.size(), 0, &error)
          : zip_source_file_create(path.c_str(), 0, -1, &error);
  if (source == nullptr) return absl::UnavailableError(TextOf(&error));
  archive->archive_ = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  if (archive->archive_ == nullptr) {
    zip_source_free(source);
    return BadFile(name, absl::StrCat("not a zip archive that can be read: ", TextOf(&error)));
  }
  zip_error_fini(&error);
  LATENT_RETURN_IF_ERROR(archive->List());
  return archive;
}

absl::Status ZipArchive::List() {
  const zip_int64_t count = zip_get_num_entries(archive_, 0);
  if (count > kMaxMembers) {
    return BadFile(name_,
                   absl::StrCat("has ", count, " members; at most ", kMaxMembers, " are read"));
  }
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if (zip_stat_index(archive_, static_cast<zip_uint64_t>(i), 0, &stat) != 0 ||
        (stat.valid & kNeeded) != kNeeded) {
      return BadFile(name_, absl::StrCat("member ", i, " cannot be read"));
    }
    const std::string_view member(stat.name);
    if (member.ends_with('/')) continue;
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE) {
      return BadFile(name_, absl::StrCat("member ", Shown(member), " is encrypted"));
    }
    if (stat.size > kGzipRatioFloorBytes && stat.size / kMaxZipRatio > stat.comp_size) {
      return BadFile(name_,
                     absl::StrCat("member ", Shown(member), " would unpack from ", stat.comp_size,
                                  " to ", stat.size, " bytes, more than ", kMaxZipRatio, " times"));
    }
    members_.push_back(
        {.name = std::string(member), .index = static_cast<std::uint64_t>(i), .size = stat.size});
  }
  std::sort(members_.begin(), members_.end(),
            [](const ZipMember& a, const ZipMember& b) { return a.name < b.name; });
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ByteSource>> ZipArchive::Stream(
    const std::shared_ptr<ZipArchive>& archive, const ZipMember& member) {
  zip_file_t* const file = zip_fopen_index(archive->archive_, member.index, 0);
  const std::string name = absl::StrCat(archive->name_, ": ", member.name);
  if (file == nullptr) {
    return BadFile(archive->name_,
                   absl::StrCat("member ", Shown(member.name),
                                " cannot be unpacked: ", zip_strerror(archive->archive_)));
  }
  return std::make_unique<MemberSource>(archive, name, file, member.size);
}

absl::StatusOr<std::string> ZipArchive::Read(const ZipMember& member, std::uint64_t most) const {
  if (member.size > most) {
    return BadFile(name_, absl::StrCat("member ", Shown(member.name), " has ", member.size,
                                       " bytes; at most ", most, " are read"));
  }
  zip_file_t* const file = zip_fopen_index(archive_, member.index, 0);
  std::string bytes(member.size, '\0');
  const zip_int64_t got = file == nullptr ? -1 : zip_fread(file, bytes.data(), bytes.size());
  // The checksum is compared at the end, which another read finds.
  char extra = 0;
  const zip_int64_t more = got < 0 ? -1 : zip_fread(file, &extra, 1);
  if (file != nullptr) zip_fclose(file);
  if (got == static_cast<zip_int64_t>(bytes.size()) && more == 0) return bytes;
  return BadFile(name_, absl::StrCat("member ", Shown(member.name), " is damaged"));
}

}  // namespace latent
