// A folder of PNG files as the zip archive that is uploaded in its place. Blocking; any thread.
#ifndef LATENT_CORE_DATA_PNG_FOLDER_H_
#define LATENT_CORE_DATA_PNG_FOLDER_H_

#include <string>

#include "absl/status/status.h"

namespace latent {

// Packs the .png files of a folder and its subfolders, in order of their paths, into a new file.
// The same pictures give the same bytes, so that an upload that broke off can go on. NOT_FOUND if
// there is none; else the system's errors.
absl::Status PackPngFolder(const std::string& folder, const std::string& zip_path);

}  // namespace latent

#endif  // LATENT_CORE_DATA_PNG_FOLDER_H_
