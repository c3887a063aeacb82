// The pictures of a report: what a version does to rows of a dataset, asked of the server. Made for
// one report; main thread.
#ifndef LATENT_CLIENT_CLI_REPORT_PICTURES_H_
#define LATENT_CLIENT_CLI_REPORT_PICTURES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/answer.h"
#include "client/cli/context.h"
#include "client/cli/pictures.h"
#include "client/cli/row_source.h"
#include "core/picture/canvas.h"
#include "latent/v1/registry_service.pb.h"

namespace latent::cli {

struct ReportPicture {
  std::string title, caption;
  Canvas canvas;
};

// That version and no other.
ModelFlags FlagsOf(const v1::ModelVersion& version);

class ReportPictures {
 public:
  // `source`: the rows to show, if there are any.
  ReportPictures(Context& context, const v1::ModelVersion& version,
                 const std::optional<RowSource>& source);

  // Every picture that the version and its rows allow. What could not be drawn is told in `notes`.
  std::vector<ReportPicture> Draw(std::vector<std::string>* notes);

 private:
  using PictureOr = absl::StatusOr<ReportPicture>;
  // Encodes the rows, and fetches them for what shows them.
  absl::Status Prepare();
  void Add(PictureOr picture);
  // Of a conditional version as rows of `labels`, one a row, else of its first label.
  absl::StatusOr<Matrix> Decode(const Matrix& codes, std::span<const std::int32_t> labels = {});
  PictureOr Strips(const std::string& title, const std::string& caption,
                   const std::vector<Strip>& strips, std::size_t columns) const;
  PictureOr Reconstructions();
  PictureOr Samples();
  PictureOr Scatter() const;
  PictureOr Losses();
  PictureOr Traversals();
  PictureOr Manifold();
  PictureOr StrongestInputs() const;
  PictureOr RateDistortion();
  // Code entries that vary over the rows, those that vary most first.
  std::vector<std::size_t> ActiveUnits() const;
  // Rows whose codes are rounded for RateDistortion.
  std::size_t RoundedRows() const;
  bool images() const { return look_ && look_->shape.height > 1; }
  bool sparse() const;
  bool rounds() const;

  Context& context_;
  const v1::ModelVersion& version_;
  const std::optional<RowSource>& source_;
  Target target_;
  std::optional<RowLook> look_;
  Matrix codes_, rows_;                     // of the first rows of the source
  std::vector<std::int32_t> labels_;        // what rows are coloured by
  std::vector<std::int32_t> encoded_with_;  // what a conditional version read beside them
  std::vector<double> mean_, deviation_;    // of each code entry over those rows
  std::vector<ReportPicture> pictures_;
  std::vector<std::string> notes_;
};

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_REPORT_PICTURES_H_
