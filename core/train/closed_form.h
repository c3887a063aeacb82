// Principal components instead of training: the optimum of every linear autoencoder, in float64.
// Pure but for the pool; one call at a time.
#ifndef LATENT_CORE_TRAIN_CLOSED_FORM_H_
#define LATENT_CORE_TRAIN_CLOSED_FORM_H_

#include "absl/status/status.h"
#include "core/base/thread_pool.h"
#include "core/model/composed_autoencoder.h"
#include "core/nn/leading_eigen.h"
#include "core/nn/rows_view.h"

namespace latent {

// Sets `model` to the projection on the leading latent_dim eigenvectors of the rows' covariance
// (1/N) in scaled units. Each component's largest entry by magnitude is positive, so that the same
// rows always give the same signs. `rows` are in dataset units; CanFitPrincipalAxes of them. Ends
// within about a second of `check` (any thread, often) saying so, with what it said.
absl::Status SolvePca(const RowsView& rows, ThreadPool& pool, ComposedAutoencoder& model,
                      CheckGoesOn check);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_CLOSED_FORM_H_
