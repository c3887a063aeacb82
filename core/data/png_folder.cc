#include "core/data/png_folder.h"

#include <zip.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

// 1980-01-01, the first day that archives know.
constexpr zip_uint16_t kFirstDay = 33;

absl::StatusOr<std::vector<std::string>> PicturesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(folder, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    if (!entries->is_regular_file(error)) continue;
    const std::string name = entries->path().lexically_relative(folder).generic_string();
    if (absl::EndsWithIgnoreCase(name, ".png")) names.push_back(name);
  }
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot read ", folder, ": ", error.message()));
  }
  if (names.empty()) return absl::NotFoundError(absl::StrCat(folder, " holds no .png file"));
  std::sort(names.begin(), names.end());
  return names;
}

// Pictures are packed already.
bool AddPicture(zip_t* archive, const std::string& folder, const std::string& name) {
  zip_source_t* const source =
      zip_source_file(archive, absl::StrCat(folder, "/", name).c_str(), 0, -1);
  if (source == nullptr) return false;
  const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    return false;
  }
  const auto at = static_cast<zip_uint64_t>(index);
  return zip_set_file_compression(archive, at, ZIP_CM_STORE, 0) == 0 &&
         zip_file_set_dostime(archive, at, 0, kFirstDay, 0) == 0;
}

}  // namespace

absl::Status PackPngFolder(const std::string& folder, const std::string& zip_path) {
  LATENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, PicturesIn(folder));
  int code = 0;
  zip_t* const archive = zip_open(zip_path.c_str(), ZIP_CREATE | ZIP_EXCL, &code);
  if (archive == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    return absl::UnavailableError(absl::StrCat("cannot make ", zip_path, ": ", reason));
  }
  bool packed = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return AddPicture(archive, folder, name);
  });
  if (packed && zip_close(archive) == 0) return absl::OkStatus();
  const std::string reason = zip_strerror(archive);
  zip_discard(archive);
  return absl::UnavailableError(absl::StrCat("cannot pack ", folder, ": ", reason));
}

}  // namespace latent
