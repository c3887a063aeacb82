// The version that a train job's warm start names: found when the job is submitted, and held on to
// in the transaction that stores the job. Free functions; they block on files.
#ifndef LATENT_SERVER_WARM_SOURCE_H_
#define LATENT_SERVER_WARM_SOURCE_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/store/registry.h"
#include "core/train/plan.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Nothing without a warm start. NOT_FOUND or DATA_LOSS, naming the field, if there is no such
// version or it is damaged.
absl::StatusOr<std::optional<WarmSource>> FindWarmSource(const v1::TrainJobSpec& spec,
                                                         Registry& registry);
// That the version is still there; from the commit on the job keeps it. ABORTED, reason
// VERSION_DELETED, if not.
absl::Status CheckStillThere(const WarmSource& source, Registry& registry, Transaction& tx);

}  // namespace latent

#endif  // LATENT_SERVER_WARM_SOURCE_H_
