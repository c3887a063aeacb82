// Rows that a request names rather than sends. Free functions that read files: for the I/O
// executor. Not its job: rows in messages (rows_codec.h).
#ifndef LATENT_SERVER_DATASET_SLICE_H_
#define LATENT_SERVER_DATASET_SLICE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "core/serve/served_model.h"
#include "core/store/datasets.h"
#include "latent/v1/rows.pb.h"
#include "server/rows_codec.h"

namespace latent {

// The slice's rows [count x columns] as the model reads them, with their labels if there are any.
// INVALID_ARGUMENT for a part or rows that there are not, `field` naming where the slice stands.
absl::StatusOr<Cells> SliceCells(DatasetStore& datasets, const v1::DatasetSlice& slice,
                                 const ServedModel& model, const RequestLimits& limits,
                                 std::string_view field);
// Labels of a slice that has been read; none if the dataset has none.
absl::Status AddSliceLabels(DatasetStore& datasets, const v1::DatasetSlice& slice,
                            google::protobuf::RepeatedField<std::int32_t>& labels);

}  // namespace latent

#endif  // LATENT_SERVER_DATASET_SLICE_H_
