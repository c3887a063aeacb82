// What each inference call means on a served version, without wire types: one object per call that
// is checked when made, yields the passes it needs over the model (batch.h runs them, joined with
// those of other calls), and then holds the results. Each owns its cells and pins its version.
// One thread at a time. Not its job: choosing a version, converting rows (server/rows_codec).
#ifndef LATENT_CORE_SERVE_OPERATIONS_H_
#define LATENT_CORE_SERVE_OPERATIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/autoencoder.h"
#include "core/serve/cells.h"
#include "core/serve/served_model.h"
#include "latent/v1/spec.pb.h"

namespace latent {

using ModelPtr = std::shared_ptr<const ServedModel>;

// One trip of some rows through a model, whose outputs go where they point.
struct Pass {
  enum class Kind { kForward, kDecode };
  Kind kind = Kind::kForward;
  LabelledRows input;      // rows, or codes for kDecode; labels of conditional models alone
  ForwardOutputs outputs;  // kDecode fills `reconstruction` alone
};

class Operation {
 public:
  virtual ~Operation() = default;
  const ServedModel& model() const { return *model_; }
  const ModelPtr& model_ptr() const { return model_; }
  // Rows that its largest pass has: the measure of its cost.
  virtual std::size_t cost_rows() const = 0;
  // Whether the codes of those rows are drawn from the version's sampler, which costs as well.
  virtual bool samples() const { return false; }
  // The next pass; nullopt once there is none and the results stand. Called after the previous
  // pass has been run.
  virtual std::optional<Pass> Next() = 0;
  // Once they stand: OK, or INVALID_ARGUMENT if the results are not finite, or not so in the format
  // that was asked for, and must not be told.
  const absl::Status& outcome() const { return outcome_; }

 protected:
  explicit Operation(ModelPtr model) : model_(std::move(model)) {}
  // For another request.
  void Restart(ModelPtr model) {
    model_ = std::move(model);
    outcome_ = absl::OkStatus();
  }
  // Settles outcome(): whether all of `answers` (matrices of float, spans of double; empty ones
  // pass) are finite. `path` is the request's field that is to blame if not.
  template <typename... Answers>
  bool AllFinite(std::string_view path, const Answers&... answers) {
    std::optional<std::size_t> row;
    static_cast<void>(((row = FirstNotFinite(answers)).has_value() || ...));
    if (row) outcome_ = AnswerNotFinite(path, *row, model_->DebugName());
    return !row;
  }
  void Refuse(absl::Status why) { outcome_ = std::move(why); }

 private:
  ModelPtr model_;
  absl::Status outcome_;
};

// INVALID_ARGUMENT for the field "rows" unless the version takes them: as CheckCells says, NaN
// being a missing cell where the model leaves those out. The first does not look at labels; the
// second, for rows that come with theirs, also says what CheckLabels does.
absl::Status CheckRows(const ServedModel& model, ConstMatrix rows);
absl::Status CheckRows(const ServedModel& model, const Cells& rows);

// INVALID_ARGUMENT for the field "labels" unless each of so many rows or codes has one that a
// conditional version knows; FAILED_PRECONDITION, reason NOT_CONDITIONAL, if another is given any.
absl::Status CheckLabels(const ServedModel& model, const std::vector<std::int32_t>& labels,
                         std::size_t rows);

// FAILED_PRECONDITION, reason NO_LATENT, if the version has no code; `what` needs one ("codes").
absl::Status CheckHasLatent(const ServedModel& model, std::string_view what);

// What replies may grow to.
struct OperationLimits {
  std::size_t rows = 4096;
  std::size_t cells = std::size_t{1} << 22;
};

// Rows in which only some columns stand (CSR).
struct SparseCells {
  std::size_t columns = 0;
  std::vector<std::uint32_t> row_offsets;  // rows + 1
  std::vector<std::uint32_t> indices;      // rising within a row
  std::vector<float> values;
};

// Which entries of a code are kept: the top_k of greatest absolute value (ties: the lower index),
// or those of absolute value > threshold. Exactly one is set. Exact zeros are never kept.
struct SparsifyRule {
  std::optional<std::uint32_t> top_k = std::nullopt;  // >= 1
  std::optional<float> threshold = std::nullopt;      // >= 0, finite
};
// INVALID_ARGUMENT naming "sparsify".
absl::Status CheckSparsify(const SparsifyRule& rule);
SparseCells Sparsify(MatrixView<const float> codes, const SparsifyRule& rule);

// How dense codes are sent or come. Indices are 16-bit, those of each group's codebook vector.
enum class CodeFormat { kFloat32, kFloat16, kInt8, kIndices };
// FAILED_PRECONDITION, reason NO_CODE_SCALES, if the version has none, for INT8; reason
// NOT_QUANTISED if it has no codebook, for indices.
absl::Status CheckCodeFormat(const ServedModel& model, CodeFormat format);
// The codes [n x latent_dim] of indices [n x groups]. Errors as CheckCodeFormat; INVALID_ARGUMENT
// for another width and for what is no whole number below the codebook's size.
absl::StatusOr<Cells> CodesOfIndices(const ServedModel& model, std::string_view field,
                                     const Cells& indices);

// Rows to codes: the activation, or the mean of a Gaussian code, or a draw of it where `seed` is
// set; with their reconstructions (of the mean) and errors in the same pass, if asked for.
// `include_sigma` and `seed` need a Gaussian code: FAILED_PRECONDITION, reason NOT_GAUSSIAN.
class EncodeOperation : public Operation {
 public:
  struct Options {
    bool include_sigma = false;
    std::optional<std::uint64_t> seed = std::nullopt;
    std::optional<SparsifyRule> sparsify = std::nullopt;
    CodeFormat format = CodeFormat::kFloat32;  // of dense codes
    bool omit_codes = false;                   // then the version needs no latent
    bool include_reconstruction = false;
    bool include_error = false;
  };
  // Rows that are lent must stay until it has run; others it owns, and labels in either case.
  struct Rows {
    Cells owned = {};
    ConstMatrix lent = {};
    ConstMatrix view() const { return lent.data != nullptr ? lent : owned.view(); }
    LabelledRows labelled() const { return {view(), owned.labels}; }
  };
  static absl::StatusOr<std::unique_ptr<EncodeOperation>> Make(ModelPtr model, Cells rows,
                                                               Options options);
  // One for Begin.
  EncodeOperation() : Operation(nullptr) {}
  // Starts anew, with another request and the memory that it has. The same errors as Make.
  absl::Status Begin(ModelPtr model, Rows rows, Options options);
  // Lets go of rows and version, and keeps memory of up to kKeepCells cells.
  void Release();
  static constexpr std::size_t kKeepCells = 1 << 16;
  std::size_t cost_rows() const override { return rows_.view().rows; }
  std::optional<Pass> Next() override;

  const Cells& codes() const { return codes_; }          // [n x latent_dim]
  const Cells& sigma() const { return sigma_; }          // the same, if asked for
  const SparseCells& sparse() const { return sparse_; }  // if sparsify was given
  CodeFormat format() const { return options_.format; }
  const Options& options() const { return options_; }
  const Cells& reconstruction() const { return reconstruction_; }  // [n x columns], if asked for
  // [n], summed over cells, dataset units squared, if asked for
  const std::vector<double>& squared_error() const { return squared_error_; }
  // The bytes of the codes in the format that was asked for, little-endian, and how many numbers
  // that makes for each code; any thread.
  std::size_t FormattedColumns() const;
  std::string FormattedCodes() const;

 private:
  std::string FormattedIndices() const;
  // Refuses codes that are too great for FLOAT16.
  void CheckHalves();
  Options options_;
  Rows rows_;
  Cells codes_, sigma_, reconstruction_;
  std::vector<double> squared_error_;
  SparseCells sparse_;
  bool ran_ = false;
};

// Codes to rows (the likelihood's mean).
class DecodeOperation : public Operation {
 public:
  static absl::StatusOr<std::unique_ptr<DecodeOperation>> Make(ModelPtr model, Cells codes);
  std::size_t cost_rows() const override { return codes_.rows; }
  std::optional<Pass> Next() override;

  const Cells& rows() const { return rows_; }  // [n x columns]

 private:
  DecodeOperation(ModelPtr model, Cells codes);
  Cells codes_, rows_;
  bool ran_ = false;
};

// Rows to codes and back, in one pass.
class ReconstructOperation : public Operation {
 public:
  struct Options {
    bool include_codes = false;
    bool include_error = false;
    bool omit_reconstruction = false;
  };
  static absl::StatusOr<std::unique_ptr<ReconstructOperation>> Make(ModelPtr model, Cells rows,
                                                                    Options options);
  std::size_t cost_rows() const override { return rows_.rows; }
  std::optional<Pass> Next() override;

  const Cells& reconstruction() const { return reconstruction_; }  // [n x columns]
  const Cells& codes() const { return codes_; }                    // [n x latent_dim]
  // [n], summed over cells, dataset units squared
  const std::vector<double>& squared_error() const { return squared_error_; }

 private:
  ReconstructOperation(ModelPtr model, Cells rows, Options options);
  Cells rows_, reconstruction_, codes_;
  std::vector<double> squared_error_;
  bool ran_ = false;
};

// Noisy rows to their clean estimate: equal to Reconstruct on every model.
class DenoiseOperation : public Operation {
 public:
  struct Noise {
    v1::Corruption corruption;  // one kind with its level set
    std::uint64_t seed = 0;
  };
  struct Options {
    std::optional<Noise> add_noise = std::nullopt;
    // Empty, or one entry a cell, row-major: non-zero cells are missing. They are set to the
    // column's training mean before encoding (what stood there may be anything; a model that leaves
    // missing cells out reads them as such), and only they are replaced in the result. Where this
    // is empty, the same goes for NaN to such a model, row by row: rows without are denoised whole.
    std::vector<std::uint8_t> missing = {};
  };
  static absl::StatusOr<std::unique_ptr<DenoiseOperation>> Make(ModelPtr model, Cells rows,
                                                                Options options);
  std::size_t cost_rows() const override { return input_.rows; }
  std::optional<Pass> Next() override;

  const Cells& rows() const { return result_; }       // [n x columns]
  const Cells& noisy_rows() const { return input_; }  // what was encoded
  bool trained_with_corruption() const { return model().trained_with_corruption(); }

 private:
  DenoiseOperation(ModelPtr model, Cells input, Options options);
  // Puts the known cells of rows that lack some back into the result.
  void KeepKnown();
  Cells input_, result_;
  const bool masked_;  // by the request, so that no known cell is replaced
  std::vector<std::uint8_t> missing_;
  bool ran_ = false;
};

// New rows: codes from the version's sampler, decoded. The same seed gives the same bytes.
class SampleOperation : public Operation {
 public:
  struct Options {
    std::uint32_t count = 0;  // 1 to the row limit
    std::uint64_t seed = 0;
    double temperature = 1;  // 0 to 10
    bool draw = false;       // cells are drawn from the likelihood
    // Of conditional models: one for all samples, or one for each.
    std::vector<std::int32_t> labels = {};
  };
  // Rows that are drawn and decoded in one pass: between passes a large call may be given up.
  static constexpr std::size_t kPassRows = 64;
  static absl::StatusOr<std::unique_ptr<SampleOperation>> Make(ModelPtr model, Options options,
                                                               const OperationLimits& limits);
  std::size_t cost_rows() const override { return codes_.rows; }
  bool samples() const override { return true; }
  std::optional<Pass> Next() override;

  const Cells& rows() const { return rows_; }    // [count x columns]
  const Cells& codes() const { return codes_; }  // [count x latent_dim]

 private:
  SampleOperation(ModelPtr model, Options options);
  Options options_;
  Cells codes_, rows_;
  std::size_t drawn_ = 0;  // rows
};

// Points on the way from code to code, ends included; the ends' rows equal their reconstructions
// bit for bit.
class InterpolateOperation : public Operation {
 public:
  enum class Path {
    kLerp,   // a straight line
    kSlerp,  // a great circle, length changing linearly; a line where directions (anti)coincide
  };
  struct Options {
    std::uint32_t steps = 8;  // 2 to 1024
    Path path = Path::kLerp;
    bool ends_are_codes = false;
  };
  // `ends`: 2 n rows or codes, n pairs of start and end; the two of a pair have one label.
  static absl::StatusOr<std::unique_ptr<InterpolateOperation>> Make(ModelPtr model, Cells ends,
                                                                    Options options,
                                                                    const OperationLimits& limits);
  std::size_t cost_rows() const override { return rows_.rows; }
  std::optional<Pass> Next() override;

  const Cells& rows() const { return rows_; }    // [n steps x columns], pair by pair
  const Cells& codes() const { return codes_; }  // [n steps x latent_dim]

 private:
  InterpolateOperation(ModelPtr model, Cells ends, Options options);
  Options options_;
  Cells ends_;
  Cells end_codes_;  // [2 n x latent_dim]
  Cells codes_, rows_;
  enum class Stage { kEncode, kDecode, kDone } stage_;
};

// The codes on the way; exposed for tests. `codes` is [n steps x dim], `ends` [2 n x dim].
void InterpolateCodes(MatrixView<const float> ends, std::uint32_t steps,
                      InterpolateOperation::Path path, MatrixView<float> codes);

// How unlikely rows are.
class ScoreOperation : public Operation {
 public:
  struct Options {
    std::optional<double> threshold = std::nullopt;  // default: the version's
    std::uint32_t top_features = 0;                  // 0 to 64
  };
  struct Feature {
    std::uint32_t column = 0;
    double nats = 0;
  };
  struct RowScore {
    double score = 0;       // nats
    double percentile = 0;  // 0 to 100
    bool is_anomaly = false;
    std::vector<Feature> top_features;  // greatest first, ties: the lower column
  };
  static absl::StatusOr<std::unique_ptr<ScoreOperation>> Make(ModelPtr model, Cells rows,
                                                              Options options);
  std::size_t cost_rows() const override { return rows_.rows; }
  std::optional<Pass> Next() override;

  const std::vector<RowScore>& scores() const { return scores_; }
  double threshold() const { return threshold_; }

 private:
  ScoreOperation(ModelPtr model, Cells rows, Options options);
  void Rank();
  Options options_;
  double threshold_;
  Cells rows_, feature_nats_;
  std::vector<double> nats_;
  std::vector<RowScore> scores_;
  bool ran_ = false;
};

}  // namespace latent

#endif  // LATENT_CORE_SERVE_OPERATIONS_H_
