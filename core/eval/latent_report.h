// The latent-space report: numbers for the three ills of latent spaces. Gaps: places where a
// Gaussian fitted to the codes has mass and no code is near. Disconnected regions: ways between
// codes on which the decoder jumps, or that leave the codes. Discreteness: codes that sit on few
// values or in clumps. Pure functions of codes [n x d], n >= 20; any thread.
#ifndef LATENT_CORE_EVAL_LATENT_REPORT_H_
#define LATENT_CORE_EVAL_LATENT_REPORT_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/eval/collector.h"
#include "core/eval/metric_table.h"
#include "core/eval/sample.h"
#include "core/nn/matrix.h"

namespace latent {

// Maps rows of one matrix to rows of another, e.g. codes to rows.
using RowMap = std::function<void(const LabelledRows& in, Matrix out)>;

struct LatentFigures {
  // Share of draws from the Gaussian fitted to the codes whose nearest code is further than the
  // 99th percentile of the codes' distances from their nearest neighbours; entries standardised.
  double hole_rate = 0;
  // Over straight ways between codes, in 16 steps, decoded: length over the distance of the ends
  // (1: straight), and the largest over the mean step (1: even).
  double path_ratio = 0;
  double largest_step = 0;
  // Greatest distance from the nearest code on those ways, over the codes' median distance from
  // their nearest neighbours; entries standardised.
  double path_gap = 0;
  // |encode(decode(z)) - z| / sqrt(d) over draws z of the fitted Gaussian; entries standardised.
  double cycle_error = 0;
  // Share of code values within 1 % of their entry's range from its least or greatest value.
  double saturation = 0;
  // Greatest mean silhouette of k-means over k = 2, 3, 4, 5, 6, 8, 10, and that k; entries
  // standardised.
  double silhouette = 0;
  int clusters = 0;
};

// `decode` gives rows of `columns` cells, `encode` takes them. Where codes have labels, draw i is
// decoded with that of code i, a way with that of the code it starts at. INVALID_ARGUMENT for codes
// that are not finite.
absl::StatusOr<LatentFigures> DescribeLatentSpace(Sample codes, std::size_t columns,
                                                  const RowMap& decode, const RowMap& encode);
// The same of n draws of N(0, I) in d dimensions, with the identity as decoder and encoder.
absl::StatusOr<LatentFigures> DescribeReferenceGaussian(std::size_t n, std::size_t d);

// All latent_* figures of at most 1000 of the input's rows; nothing for fewer than 20 rows or codes
// of more than 1024 entries. CANCELLED if asked to stop.
absl::Status AddLatentReport(const EvaluationInput& input, MetricList& metrics);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_LATENT_REPORT_H_
