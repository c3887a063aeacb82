#include "core/model/latent_part.h"

#include <cstdlib>

#include "absl/strings/str_join.h"

LATENT_NUMERICS_BEGIN
namespace {

struct Kind {
  v1::Latent::KindCase kind;
  const char* name;
  std::unique_ptr<LatentPart> (*make)(const v1::ModelSpec&, LayerInput, ParameterSet*);
  bool variational = false;
};

// To add a latent, add its file and a row here.
constexpr Kind kKinds[] = {
    {v1::Latent::kDeterministic, "deterministic", MakeDeterministicLatent},
    {v1::Latent::kGaussian, "gaussian", MakeGaussianLatent, true},
    {v1::Latent::kTopK, "top_k", MakeTopKLatent},
    {v1::Latent::kHierarchical, "hierarchical", MakeHierarchicalLatent, true},
    {v1::Latent::kVectorQuantised, "vector_quantised", MakeVectorQuantisedLatent},
};

const Kind* FindKind(v1::Latent::KindCase kind) {
  for (const Kind& row : kKinds) {
    if (row.kind == kind) return &row;
  }
  return nullptr;
}

}  // namespace

void LatentPart::Posterior(const LayerRunner& /*run*/, ConstMatrix /*hidden*/,
                           ConstMatrix /*codes*/, const ForwardOutputs& /*outputs*/,
                           Workspace& /*ws*/) const {}

ConstMatrix LatentPart::DecoderInput(const LayerRunner& /*run*/, ConstMatrix codes,
                                     Workspace& /*ws*/) const {
  return codes;
}

bool IsLatent(const v1::Latent& spec) { return FindKind(spec.kind_case()) != nullptr; }

bool IsVariational(const v1::Latent& spec) {
  const Kind* const kind = FindKind(spec.kind_case());
  return kind != nullptr && kind->variational;
}

std::string LatentNames() {
  std::vector<std::string> names;
  for (const Kind& row : kKinds) names.emplace_back(row.name);
  return absl::StrJoin(names, " or ");
}

std::unique_ptr<LatentPart> MakeLatent(const v1::ModelSpec& spec, LayerInput input,
                                       ParameterSet* parameters) {
  const Kind* const kind = FindKind(spec.latent().kind_case());
  if (kind == nullptr) std::abort();  // CheckArchitecture came first
  return kind->make(spec, input, parameters);
}

LATENT_NUMERICS_END
