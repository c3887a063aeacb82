// How well scores tell one kind of row from another. Pure functions; any thread.
#ifndef LATENT_CORE_EVAL_RANKING_CURVES_H_
#define LATENT_CORE_EVAL_RANKING_CURVES_H_

#include <span>
#include <utility>

namespace latent {

// A row's score and whether it is of the kind that should score high.
using ScoredRow = std::pair<double, bool>;

// Area under the ROC curve: the chance that a positive row scores above a negative one, equal
// scores counted half. Needs a row of each kind. Sorts its argument.
double AreaUnderRoc(std::span<ScoredRow> rows);
// Average precision, sum over thresholds of (recall gained) x precision; rows of equal score enter
// together. Needs a positive row. Sorts its argument.
double AveragePrecision(std::span<ScoredRow> rows);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_RANKING_CURVES_H_
