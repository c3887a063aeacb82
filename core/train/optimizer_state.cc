#include "core/train/optimizer_state.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/model_io.h"

namespace latent {
namespace {

constexpr char kFirst[] = "optimizer.first_moment.";
constexpr char kSecond[] = "optimizer.second_moment.";
constexpr char kUpdates[] = "optimizer.updates";
constexpr char kStatistics[] = "data.";  // tensors that are no weights

// The state's tensors are those of a model whose weights are the moments.
absl::Status AddMoments(const v1::TrainingPlan& plan, const TensorFile& weights,
                        const std::vector<float>& moments, const char* prefix, TensorFile& file) {
  LATENT_ASSIGN_OR_RETURN(const std::unique_ptr<ComposedAutoencoder> holder,
                          ComposedFromTensors(plan, weights));
  std::copy(moments.begin(), moments.end(), holder->parameters().values().begin());
  holder->RefreshPacked();
  TensorFile named = ToTensors(*holder);
  for (auto& [name, tensor] : named.tensors) {
    if (absl::StartsWith(name, kStatistics)) continue;
    file.tensors[absl::StrCat(prefix, name)] = std::move(tensor);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> TakeMoments(const v1::TrainingPlan& plan, const TensorFile& file,
                                               const std::string& prefix) {
  TensorFile moments;
  for (const auto& [name, tensor] : file.tensors) {
    if (absl::StartsWith(name, kStatistics)) moments.tensors[name] = tensor;
    if (absl::StartsWith(name, prefix)) moments.tensors[name.substr(prefix.size())] = tensor;
  }
  const auto holder = ComposedFromTensors(plan, moments);
  if (!holder.ok()) return Annotate(holder.status(), prefix);
  const auto values = (*holder)->parameters().values();
  return std::vector<float>(values.begin(), values.end());
}

}  // namespace

absl::StatusOr<TensorFile> OptimizerToTensors(const v1::TrainingPlan& plan,
                                              const Autoencoder& model,
                                              const OptimizerState& state) {
  const TensorFile weights = ToTensors(model);
  TensorFile file;
  file.metadata = {{"format", "latent.optimizer"},
                   {"format_version", "1"},
                   {kUpdates, absl::StrCat(state.updates)}};
  LATENT_RETURN_IF_ERROR(AddMoments(plan, weights, state.first_moment, kFirst, file));
  if (!state.second_moment.empty()) {
    LATENT_RETURN_IF_ERROR(AddMoments(plan, weights, state.second_moment, kSecond, file));
  }
  return file;
}

absl::StatusOr<OptimizerState> OptimizerFromTensors(const v1::TrainingPlan& plan,
                                                    const TensorFile& tensors) {
  OptimizerState state;
  const auto updates = tensors.metadata.find(kUpdates);
  if (updates == tensors.metadata.end() || !absl::SimpleAtoi(updates->second, &state.updates)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("the version's optimiser state does not say ", kUpdates));
  }
  LATENT_ASSIGN_OR_RETURN(state.first_moment, TakeMoments(plan, tensors, kFirst));
  if (plan.training().solver().gradient().optimizer().has_sgd()) return state;
  LATENT_ASSIGN_OR_RETURN(state.second_moment, TakeMoments(plan, tensors, kSecond));
  return state;
}

}  // namespace latent
