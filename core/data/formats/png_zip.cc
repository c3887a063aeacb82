#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/readers.h"
#include "core/data/formats/zip_archive.h"
#include "core/data/ids.h"
#include "core/picture/png.h"

namespace latent {
namespace {

// Of one PNG's packed bytes.
constexpr std::uint64_t kMaxPngBytes = 16 << 20;

bool IsPicture(const ZipMember& member) {
  // Archivers of some systems add shadows of files.
  const bool shadow = absl::StartsWith(member.name, "__MACOSX/");
  return !shadow && absl::EndsWithIgnoreCase(member.name, ".png");
}

class PngReader : public RowReader {
 public:
  PngReader(std::shared_ptr<ZipArchive> archive, std::vector<ZipMember> pictures, std::string name)
      : archive_(std::move(archive)), pictures_(std::move(pictures)), name_(std::move(name)) {}

  // Learns the shape from the first picture. Call once, first.
  absl::Status Start() {
    LATENT_ASSIGN_OR_RETURN(const PngPixels first, Decode(pictures_.front()));
    header_.row_shape = {first.height, first.width, first.channels};
    header_.columns = first.height * first.width * first.channels;
    header_.bytes = true;
    header_.has_ids = true;
    return absl::OkStatus();
  }

  const RowsHeader& header() const override { return header_; }

  absl::StatusOr<bool> Next(std::span<double> cells, std::int32_t*) override {
    if (next_ == pictures_.size()) return false;
    const ZipMember& member = pictures_[next_];
    LATENT_ASSIGN_OR_RETURN(const PngPixels picture, Decode(member));
    const std::vector<std::uint32_t> shape = {picture.height, picture.width, picture.channels};
    if (shape != header_.row_shape) {
      return BadFile(name_, absl::StrCat("row ", next_ + 1, ": expected ", Text(header_.row_shape),
                                         " as in the first picture, got ", Text(shape), " in ",
                                         Shown(member.name)));
    }
    std::copy(picture.pixels.begin(), picture.pixels.end(), cells.begin());
    ++next_;
    return true;
  }

  std::string_view id() const override {
    return next_ == 0 ? std::string_view() : std::string_view(pictures_[next_ - 1].name);
  }

 private:
  static std::string Text(const std::vector<std::uint32_t>& shape) {
    return absl::StrCat(shape[1], " x ", shape[0], " pixels of ", shape[2], " channels");
  }

  absl::StatusOr<PngPixels> Decode(const ZipMember& member) const {
    LATENT_ASSIGN_OR_RETURN(const std::string bytes, archive_->Read(member, kMaxPngBytes));
    auto picture = DecodePng(bytes, kMaxColumns);
    if (picture.ok()) return picture;
    return BadFile(name_,
                   absl::StrCat(Shown(member.name), ": ", std::string(picture.status().message())));
  }

  const std::shared_ptr<ZipArchive> archive_;
  const std::vector<ZipMember> pictures_;
  const std::string name_;
  RowsHeader header_;
  std::size_t next_ = 0;
};

}  // namespace

bool LooksLikeZip(std::string_view head) { return head.starts_with("PK\x03\x04"); }

absl::StatusOr<std::unique_ptr<RowReader>> OpenPngZip(std::unique_ptr<ByteSource> bytes,
                                                      const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(auto archive, ZipArchive::Open(std::move(bytes), options.name));
  std::vector<ZipMember> pictures;
  for (const ZipMember& member : archive->members()) {
    if (!IsPicture(member)) continue;
    if (member.name.size() > kMaxIdBytes) {
      return BadFile(options.name, absl::StrCat("the name ", Shown(member.name), " is longer than ",
                                                kMaxIdBytes, " bytes"));
    }
    pictures.push_back(member);
  }
  if (pictures.empty()) return BadFile(options.name, "holds no .png file");
  auto reader = std::make_unique<PngReader>(std::move(archive), std::move(pictures), options.name);
  LATENT_RETURN_IF_ERROR(reader->Start());
  return reader;
}

}  // namespace latent
