// A READY dataset in memory: every part's rows, dense or sparse, in dataset units, and their
// labels. Immutable; shared by jobs and slices as shared_ptr<const Dataset>; any thread. Not its
// job: uploads and states (core/store/datasets), batches (core/data/batches).
#ifndef LATENT_CORE_DATA_DATASET_H_
#define LATENT_CORE_DATA_DATASET_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/nn/rows_view.h"
#include "latent/v1/spec.pb.h"

namespace latent {

inline constexpr std::size_t kMaxListedLabels = 4096;

// What is known of a dataset without its rows.
struct DatasetInfo {
  std::string name = {};
  std::string content_hash = {};  // SHA-256, hex
  std::uint32_t columns = 0;
  std::vector<std::uint32_t> row_shape = {};   // product is `columns`
  std::vector<std::string> column_names = {};  // empty or one a column
  double value_scale = 1;                      // was applied to the file's values
  std::array<std::uint64_t, 4> part_rows{};    // by v1::Part
  bool has_labels = false;
  std::vector<std::string> label_names = {};
  // The labels that each part's rows have, rising, by v1::Part: at most kMaxListedLabels + 1 of
  // them, the first ones. Empty without labels, and of datasets stored before they were listed.
  std::array<std::vector<std::int32_t>, 4> part_labels = {};
  double min = 0, max = 0;                    // over all parts, zeros that are not stored included
  double train_min = 0, train_max = 0;        // over TRAIN
  bool sparse = false;                        // only cells that are not 0 are stored
  std::array<std::uint64_t, 4> part_cells{};  // cells that are stored, by v1::Part; sparse only
  bool has_row_ids = false;                   // e.g. the users of user-item pairs
  std::optional<int> index_base = {};         // number of libsvm files' first column
  // What the columns of CSV files are, in the files' order; empty for other formats. Categorical
  // ones become `count` columns of the dataset, "name=category" each; labels, ids and ignored ones
  // none.
  std::vector<v1::ColumnGroup> column_groups = {};
  bool may_miss = false;  // Dataset::missing says which cells have no value

  std::uint64_t rows(v1::Part part) const { return part_rows[static_cast<std::size_t>(part)]; }
  const std::vector<std::int32_t>& labels(v1::Part part) const {
    return part_labels[static_cast<std::size_t>(part)];
  }
  // Cells that are stored, of all parts; of dense rows all of them.
  std::uint64_t stored_cells() const;
};

// Each of the labels once, as DatasetInfo::part_labels lists them.
std::vector<std::int32_t> DistinctLabels(std::span<const std::int32_t> labels);

// What a model keeps of it.
v1::DatasetSchema SchemaOf(const DatasetInfo& info);

// Which cells have no value. A view, as rows are.
class MissingMask {
 public:
  MissingMask() = default;  // none
  MissingMask(const std::uint8_t* bits, std::size_t columns)
      : bits_(bits), row_bytes_((columns + 7) / 8) {}

  bool any() const { return bits_ != nullptr; }
  const std::uint8_t* bits() const { return bits_; }  // as RowsView::WithMissing takes them
  bool operator()(std::size_t r, std::size_t c) const {
    return bits_ != nullptr && (bits_[r * row_bytes_ + c / 8] >> c % 8 & 1) != 0;
  }

 private:
  const std::uint8_t* bits_ = nullptr;
  std::size_t row_bytes_ = 0;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual const DatasetInfo& info() const = 0;
  // rows x columns float32 cells of a part. Of a sparse dataset (info().sparse) only the cells that
  // are not 0 are there: read it a batch at a time, never as one matrix.
  virtual RowsView rows(v1::Part part) const = 0;
  // One label a row; empty if there are none.
  virtual std::span<const std::int32_t> labels(v1::Part part) const = 0;
  // The id that the file gives row r; empty if there are none.
  virtual std::string_view row_id(v1::Part part, std::size_t r) const = 0;
  // The cells of a part that have no value: rows() holds their column's mean over TRAIN there.
  virtual MissingMask missing(v1::Part) const { return {}; }
};

// A part's rows as a model of that spec takes them: where it leaves cells without a value out of
// its loss they are NaN, elsewhere they hold their column's mean; with their labels, if it reads
// them.
RowsView RowsFor(const v1::ModelSpec& spec, const Dataset& dataset, v1::Part part);

// A dataset whose rows a caller made; for tests and tools.
struct InMemoryPart {
  std::vector<float> cells = {};  // row-major
  std::vector<std::int32_t> labels = {};
  std::vector<std::uint8_t> missing = {};  // bits as in MissingMask, or empty: none
};
std::shared_ptr<const Dataset> MakeDataset(DatasetInfo info, InMemoryPart train,
                                           InMemoryPart validation, InMemoryPart test);
// The same rows, stored sparsely.
std::shared_ptr<const Dataset> MakeSparse(const Dataset& dataset);

}  // namespace latent

#endif  // LATENT_CORE_DATA_DATASET_H_
