#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/data/formats/readers.h"
#include "core/data/formats/zip_archive.h"

namespace latent {
namespace {

constexpr std::size_t kMostMemberNames = 20;

std::string MemberNames(const std::vector<ZipMember>& members) {
  std::vector<std::string> names;
  for (const ZipMember& member : members) {
    if (names.size() == kMostMemberNames) break;
    names.push_back(Shown(member.name));
  }
  return absl::StrCat(absl::StrJoin(names, ", "), members.size() > kMostMemberNames ? ", ..." : "");
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> OpenNpz(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(const auto archive, ZipArchive::Open(std::move(bytes), options.name));
  const std::vector<ZipMember>& members = archive->members();
  const std::string wanted = options.array.empty() ? "" : options.array + ".npy";
  const ZipMember* found = nullptr;
  for (const ZipMember& member : members) {
    const bool fits = wanted.empty() ? member.name.ends_with(".npy") : member.name == wanted;
    if (!fits) continue;
    if (found != nullptr) {
      return BadFile(options.name, absl::StrCat("holds several arrays; say which by `array`: ",
                                                MemberNames(members)));
    }
    found = &member;
  }
  if (found == nullptr) {
    return BadFile(options.name,
                   absl::StrCat("expected an array ", wanted.empty() ? "*.npy" : Shown(wanted),
                                ", got ", members.empty() ? "none" : MemberNames(members)));
  }
  LATENT_ASSIGN_OR_RETURN(auto member, ZipArchive::Stream(archive, *found));
  return OpenNpy(std::move(member), options);
}

}  // namespace latent
