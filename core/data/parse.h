// Turns uploaded files into a dataset on disk, and opens that again. The directory holds the files
// of each part that has rows (part_files.h; value_scale is applied) beside dataset.json. Blocking
// functions; any thread.
// Not its job: uploads, states, fsync and rename (core/store/datasets).
#ifndef LATENT_CORE_DATA_PARSE_H_
#define LATENT_CORE_DATA_PARSE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/data/formats.h"
#include "core/data/split.h"

namespace latent {

enum class FileRole { kRows, kLabels };

struct ParseFile {
  std::string name = {};  // as declared; what errors call the file
  std::string path = {};  // where its bytes are
  FileRole role = FileRole::kRows;
  v1::Part part = v1::PART_TRAIN;
  FileFormat format = FileFormat::kGuess;
  std::string array = {};  // of NPZ and safetensors files: which array; "" for the only one
};

struct ParseLimits {
  std::uint64_t max_rows = 100'000'000;
  std::uint64_t max_bytes = 8ull << 30;  // of float32 cells on disk, all parts
};

// A dataset's declaration, and where its files' bytes are. Files of one part follow each other in
// declared order; LABELS files label the ROWS files of the same part.
struct ParseRequest {
  std::string name = {};
  std::vector<ParseFile> files = {};          // 1 to 64
  std::vector<std::uint32_t> row_shape = {};  // empty: the first ROWS file's
  std::optional<double> value_scale = {};     // default: 1/255 for uint8 formats, 1 for others
  CsvOptions csv = {};
  LibsvmOptions libsvm = {};
  PairsOptions pairs = {};
  SplitOptions split = {};
  std::vector<std::string> label_names = {};  // of labels 0, 1, 2, ...
  ParseLimits limits = {};
};

// What can be said before the bytes come. INVALID_ARGUMENT with a violation for each bad field;
// paths are "<prefix>files[0].name", "<prefix>csv.delimiter", as in DatasetDeclaration.
absl::Status CheckDeclaration(const ParseRequest& request, const std::string& prefix = "");

// The declaration without the dataset's name, limits and paths, in one canonical form: equal for
// two declarations exactly if the same bytes mean the same dataset.
std::string CanonicalDeclaration(const ParseRequest& request);

// Reads every file and writes the dataset into `out_dir`, which must exist and be empty. Nothing
// is synced. The content hash is SHA-256 over CanonicalDeclaration and, for each file in declared
// order, its length (8 bytes, little-endian) and its bytes.
// INVALID_ARGUMENT with reason BAD_DATASET for what the files hold: the message names file, row and
// column (both from 1), what was expected and what came. CANCELLED if `stop` was requested.
// Other codes are the disk's.
absl::StatusOr<DatasetInfo> ParseDataset(const ParseRequest& request, const std::string& out_dir,
                                         std::stop_token stop = {});

// dataset.json alone. DATA_LOSS if it is damaged, FAILED_PRECONDITION if a newer program wrote it,
// NOT_FOUND if it is not there.
absl::StatusOr<DatasetInfo> ReadDatasetInfo(const std::string& dir);

enum class DatasetCheck { kSizes, kHashes };
// Maps the rows read-only; the files must stay unchanged while the dataset lives (they may be
// unlinked). DATA_LOSS if a file's size, or with kHashes its SHA-256, is not the stored one.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenDataset(
    const std::string& dir, DatasetCheck check = DatasetCheck::kSizes);

}  // namespace latent

#endif  // LATENT_CORE_DATA_PARSE_H_
