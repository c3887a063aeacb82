// What a finished model draws its codes from, fitted to the codes of its training rows as the plan
// says, and how well it fits. Pure but for its threads; one call at a time. Not its job: the kinds
// of samplers (core/model).
#ifndef LATENT_CORE_TRAIN_FIT_SAMPLER_H_
#define LATENT_CORE_TRAIN_FIT_SAMPLER_H_

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/autoencoder.h"
#include "core/model/sampler.h"
#include "latent/v1/spec.pb.h"

namespace latent {

struct SamplerResult {
  std::unique_ptr<Sampler> sampler;
  // sampler_components and sampler_code_nll, where a mixture was tried.
  std::vector<v1::Metric> metrics;
};

// N(0, I) for latents with a prior; a prior over indices for vector-quantised ones; else by the
// plan's training.sampler. A plan without one (of versions and jobs from before there was a choice)
// means one Gaussian. What `check`, asked often by any thread, ends it with.
absl::StatusOr<SamplerResult> FitSampler(const v1::TrainingPlan& plan, const Autoencoder& model,
                                         const Dataset& data,
                                         absl::FunctionRef<absl::Status()> check);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_FIT_SAMPLER_H_
