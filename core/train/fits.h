// Whether a model can take rows that it was not trained on: for evaluation on another dataset and
// for warm starts. Pure functions; any thread. Not its job: rows of a request (core/serve).
#ifndef LATENT_CORE_TRAIN_FITS_H_
#define LATENT_CORE_TRAIN_FITS_H_

#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/model/autoencoder.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// In what the dataset's columns differ from those that a version (`version` in messages) was
// trained on: their number, their names where both have some, their categories. Empty if in
// nothing.
std::string FindColumnFault(const v1::DatasetSchema& trained, const DatasetInfo& data,
                            std::string_view version);

// Why the dataset's labels are not all among those that a condition knows; empty if they are, or if
// it reads none.
std::string FindLabelFault(const v1::Condition& condition, const DatasetInfo& data,
                           std::string_view version);

// INVALID_ARGUMENT, field "dataset", where that can be told without reading rows: columns, labels,
// and cells that the likelihood does not know.
absl::Status CheckFits(const v1::TrainingPlan& plan, const DatasetInfo& data);

// Reads the rows of the parts. INVALID_ARGUMENT, naming part, row and column, for the first cell
// that the model's likelihood does not know; what `check`, asked often, ends it with.
absl::Status CheckTargetsOf(const Autoencoder& model, const Dataset& data,
                            std::span<const v1::Part> parts,
                            absl::FunctionRef<absl::Status()> check);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_FITS_H_
