#include "server/warm_source.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/train/plan_json.h"
#include "core/train/version_files.h"
#include "server/resource_convert.h"

namespace latent {
namespace {

constexpr char kField[] = "spec.training.warm_start";

absl::StatusOr<WarmSource> ReadSource(const v1::WarmStart& start, const VersionSelector& choice,
                                      Registry& registry) {
  LATENT_ASSIGN_OR_RETURN(const auto version, registry.Get()->Resolve(start.model(), choice));
  LATENT_ASSIGN_OR_RETURN(const std::string text, registry.ReadArtifact(*version, kPlanFile));
  WarmSource source{version->model, version->version, {}};
  LATENT_ASSIGN_OR_RETURN(source.plan, ParsePlan(text));
  return source;
}

}  // namespace

absl::StatusOr<std::optional<WarmSource>> FindWarmSource(const v1::TrainJobSpec& spec,
                                                         Registry& registry) {
  if (!spec.training().has_warm_start()) return std::optional<WarmSource>();
  const v1::WarmStart& start = spec.training().warm_start();
  LATENT_ASSIGN_OR_RETURN(const VersionSelector choice,
                          ToSelector(start, absl::StrCat(kField, ".")));
  absl::StatusOr<WarmSource> source = ReadSource(start, choice, registry);
  if (!source.ok()) return AtField(source.status(), kField);
  return std::optional(*std::move(source));
}

absl::Status CheckStillThere(const WarmSource& source, Registry& registry, Transaction& tx) {
  const auto model = registry.ReadModel(tx, source.model);
  if (model.ok() && model->versions.contains(source.version)) return absl::OkStatus();
  if (!model.ok() && !absl::IsNotFound(model.status())) return model.status();
  return MakeError(absl::StatusCode::kAborted, "VERSION_DELETED",
                   absl::StrCat(kField, ": version ", source.version, " of model ", source.model,
                                " was deleted while the job was checked; name another"));
}

}  // namespace latent
