#include "core/model/likelihood.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"

LATENT_NUMERICS_BEGIN
namespace {

struct Family {
  v1::Likelihood::KindCase kind;
  const char* name;
  std::unique_ptr<RowLikelihood> (*make)(const v1::Likelihood&, std::size_t, ParameterSet*);
};

// To add a family, add its file and a row here.
constexpr Family kFamilies[] = {
    {v1::Likelihood::kGaussian, "gaussian", MakeGaussianLikelihood},
    {v1::Likelihood::kBernoulli, "bernoulli", MakeBernoulliLikelihood},
    {v1::Likelihood::kMultinomial, "multinomial", MakeMultinomialLikelihood},
    {v1::Likelihood::kMixed, "mixed", MakeMixedLikelihood},
};

const Family* FindFamily(v1::Likelihood::KindCase kind) {
  for (const Family& family : kFamilies) {
    if (family.kind == kind) return &family;
  }
  return nullptr;
}

}  // namespace

bool IsLikelihood(const v1::Likelihood& spec) { return FindFamily(spec.kind_case()) != nullptr; }

std::string LikelihoodNames() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.name);
  return absl::StrJoin(names, " or ");
}

std::unique_ptr<RowLikelihood> MakeLikelihood(const v1::Likelihood& spec, std::size_t columns,
                                              ParameterSet* parameters) {
  const Family* const family = FindFamily(spec.kind_case());
  if (family == nullptr) std::abort();  // CheckArchitecture came first
  return family->make(spec, columns, parameters);
}

LATENT_NUMERICS_END
