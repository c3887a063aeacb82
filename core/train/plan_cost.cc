#include <algorithm>
#include <cstdint>

#include "core/eval/evaluation.h"
#include "core/model/code_prior.h"
#include "core/model/mixture_sampler.h"
#include "core/model/sampler.h"
#include "core/model/training_pass.h"
#include "core/nn/principal.h"
#include "core/train/ease.h"
#include "core/train/plan_parts.h"

namespace latent::internal {
namespace {

// Of the rows in memory; a sparse cell takes its column, too, and a row its offset.
std::uint64_t DatasetBytes(const v1::DatasetSchema& data) {
  const std::uint64_t rows = data.train_rows() + data.validation_rows() + data.test_rows();
  if (!data.sparse()) return rows * data.columns() * sizeof(float);
  return data.stored_cells() * (sizeof(float) + sizeof(std::uint32_t)) +
         rows * sizeof(std::uint64_t);
}

std::uint64_t SolverBytes(const v1::TrainingPlan& plan) {
  const std::uint64_t columns = plan.data().columns();
  const std::uint64_t rows = plan.data().train_rows();
  if (plan.training().solver().has_pca()) {
    return PrincipalAxesBytes(rows, columns, plan.architecture().latent().dim());
  }
  if (plan.training().solver().has_ease()) return EaseBytes(columns);
  // Weights, two moments and the best weights; in a checkpoint all of them and the weights once
  // more. An optimiser's state that is kept is written beside the last checkpoint.
  const std::uint64_t weights =
      plan.parameters() * sizeof(float) * (plan.publish().keep_optimizer_state() ? 14 : 9);
  const v1::WarmStart& warm = plan.training().warm_start();
  const std::uint64_t start =
      !plan.training().has_warm_start()
          ? 0
          : plan.parameters() * sizeof(float) * (warm.optimizer_state() ? 7 : 1);
  const std::uint64_t batch =
      std::min<std::uint64_t>(plan.training().solver().gradient().batch_size(), rows);
  return weights + start +
         TrainingPass::BytesNeeded(plan.architecture(), columns, static_cast<std::size_t>(batch));
}

std::uint64_t BytesOfSampler(const v1::TrainingPlan& plan) {
  const v1::SamplerSpec& sampler = plan.training().sampler();
  const std::uint64_t rows = plan.data().train_rows();
  const v1::Latent& latent = plan.architecture().latent();
  const std::uint32_t dim = latent.dim();
  if (latent.has_vector_quantised()) {
    const std::uint64_t step = SamplerStep(rows, dim);
    return CodePriorBytes((rows + step - 1) / step, latent);
  }
  if (sampler.has_mixture()) {
    return MixtureSamplerBytes(rows, dim, sampler.mixture().max_components());
  }
  return sampler.has_gaussian() ? SamplerBytes(rows, dim) : 0;
}

// Evaluation, then the sampler.
std::uint64_t AfterTrainingBytes(const v1::TrainingPlan& plan) {
  return std::max(EvaluationBytes(plan), BytesOfSampler(plan));
}

}  // namespace

std::uint64_t EstimateTrainingBytes(const v1::TrainingPlan& plan) {
  const std::uint64_t model = plan.parameters() * sizeof(float);
  return DatasetBytes(plan.data()) +
         std::max(SolverBytes(plan), (plan.publish().keep_optimizer_state() ? 6 : 2) * model +
                                         AfterTrainingBytes(plan));
}

}  // namespace latent::internal
