// dataset.json, the file that describes a dataset's directory. Not its job: the files of rows
// (core/data/part_files.h), what goes where (core/data/parse.cc).
#ifndef LATENT_CORE_DATA_DATASET_FILES_H_
#define LATENT_CORE_DATA_DATASET_FILES_H_

#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/data/part_files.h"

namespace latent {

std::string InfoPath(const std::string& dir);

using DatasetHashes = std::array<PartHashes, 4>;  // by v1::Part
struct StoredDatasetInfo {
  DatasetInfo info;
  DatasetHashes hashes;
};
// dataset.json. Errors of reading are those of ReadDatasetInfo (core/data/parse.h).
absl::StatusOr<StoredDatasetInfo> ReadStoredInfo(const std::string& dir);
absl::Status WriteDatasetInfo(const std::string& dir, const DatasetInfo& info,
                              const DatasetHashes& hashes);

}  // namespace latent

#endif  // LATENT_CORE_DATA_DATASET_FILES_H_
