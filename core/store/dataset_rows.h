// The tables of datasets and how their rows become values. Private to the dataset store's sources.
#ifndef LATENT_CORE_STORE_DATASET_ROWS_H_
#define LATENT_CORE_STORE_DATASET_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/store/datasets.h"

namespace latent {

// datasets.state beyond DatasetState; persisted.
inline constexpr std::int64_t kDatasetDeleting = 5;

struct DatasetRow {
  DatasetRecord record;  // without `info`
  std::string canonical;
  std::int64_t state = 0;
};

std::string StateName(DatasetState state);
absl::StatusOr<std::optional<DatasetRow>> FindDatasetRow(Transaction& tx, std::string_view name);
absl::Status InsertDatasetRow(Transaction& tx, std::string_view declaration,
                              const ParseRequest& request, std::int64_t now_micros);
// Moves a dataset from one state to another; ABORTED if it is not in `from`. `bytes` is its size on
// disk.
absl::Status MoveDatasetState(Transaction& tx, std::string_view name, std::int64_t from,
                              std::int64_t to, std::string_view error, std::uint64_t bytes);
// Sets the durable bytes of one file and the time of the last change.
absl::Status SetCommitted(Transaction& tx, std::string_view name, std::size_t file,
                          std::uint64_t committed, std::int64_t now_micros);
absl::Status DeleteDatasetRow(Transaction& tx, std::string_view name);
// Names after `after`, at most `limit`, without those being deleted.
absl::StatusOr<std::vector<std::string>> DatasetNamesAfter(Transaction& tx, std::string_view after,
                                                           std::int64_t limit);
absl::StatusOr<std::vector<std::string>> DatasetNamesIn(Transaction& tx, std::int64_t state);
// UPLOADING ones that were last changed before that time.
absl::StatusOr<std::vector<std::string>> AbandonedDatasets(Transaction& tx,
                                                           std::int64_t before_micros);

}  // namespace latent

#endif  // LATENT_CORE_STORE_DATASET_ROWS_H_
