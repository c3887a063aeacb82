#include "absl/strings/str_cat.h"
#include "core/model/latent_part.h"
#include "core/model/mixture_sampler.h"
#include "core/train/plan_parts.h"
#include "core/train/plan_range.h"

namespace latent::internal {
namespace {

constexpr std::uint32_t kDefaultComponents = 16;

// Whether something has to be fitted to codes, as there is no prior to draw from.
bool FitsSampler(const v1::Latent& latent) {
  return !latent.has_none() && !latent.has_vector_quantised() && !IsVariational(latent);
}

}  // namespace

void FillSampler(const v1::Latent& latent, v1::SamplerSpec& sampler) {
  const bool chosen = sampler.has_gaussian() || sampler.has_mixture();
  if (!chosen && !FitsSampler(latent)) {
    sampler.mutable_automatic();
    return;
  }
  if (!chosen && latent.dim() > kMaxMixtureDim) sampler.mutable_gaussian();
  if (sampler.has_gaussian() || sampler.mixture().has_max_components()) return;
  sampler.mutable_mixture()->set_max_components(kDefaultComponents);
}

void CheckSampler(const v1::SamplerSpec& sampler, const v1::Latent& latent, FieldErrors& errors) {
  const std::string path = "spec.training.sampler";
  if (!sampler.has_automatic() && !FitsSampler(latent)) {
    errors.Add(path, absl::StrCat("expected automatic, as ",
                                  latent.has_none() ? "a model without a code draws nothing"
                                                    : "this latent draws from its prior",
                                  "; leave it out"));
    return;
  }
  if (!sampler.has_mixture()) return;
  CheckCount(path + ".mixture.max_components", sampler.mixture().max_components(), 1,
             kMaxMixtureComponents, errors);
  if (latent.dim() > kMaxMixtureDim) {
    errors.Add(path + ".mixture",
               absl::StrCat("expected a code of at most ", kMaxMixtureDim, " entries, got ",
                            latent.dim(), "; use gaussian or leave it out"));
  }
}

}  // namespace latent::internal
