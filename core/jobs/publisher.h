// Publishes what a job has trained: compares it with what stands behind its aliases, has the
// registry make the version durable and ends the job as SUCCEEDED in the same commit. Used by the
// runner's thread alone. Not its job: the rules of the comparison (publish_gate.h).
#ifndef LATENT_CORE_JOBS_PUBLISHER_H_
#define LATENT_CORE_JOBS_PUBLISHER_H_

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/jobs/job.h"
#include "core/jobs/publish_gate.h"
#include "core/jobs/runner_parts.h"
#include "core/train/version_files.h"

namespace latent {

class Publisher {
 public:
  // Borrows all.
  Publisher(const RunnerParts& parts, const RunnerOptions& options, const JobRecord& job,
            const VersionContent& content, const Dataset& data, std::stop_token stop)
      : parts_(parts),
        options_(options),
        job_(job),
        content_(content),
        data_(data),
        stop_(std::move(stop)) {}

  // Once OK, the job is SUCCEEDED, published or not. FAILED_PRECONDITION, reason JOB_STATE, if it
  // was asked to cancel before the commit; nothing is visible then, nor after any other error.
  absl::Status Publish();

 private:
  absl::StatusOr<GateFacts> Gather();
  absl::StatusOr<GateAlias> GatherAlias(const ModelInfo* model, const std::string& alias,
                                        bool compare);
  absl::Status GatherCurrent(const VersionInfo& version, bool compare, GateAlias& alias);
  // The figure that the gate compares, of any version, on the new job's VALIDATION rows. NOT_FOUND
  // or INVALID_ARGUMENT if it has none that can be compared.
  absl::StatusOr<GateFigure> Figure(const Autoencoder& model, const v1::TrainingPlan& plan);
  // Whether the staged files give a model that answers as the trained one, bit for bit.
  absl::Status TryFiles(const std::string& directory) const;
  absl::Status PublishVersion(const GateDecision& decision);

  const RunnerParts& parts_;
  const RunnerOptions& options_;
  const JobRecord& job_;
  const VersionContent& content_;
  const Dataset& data_;
  const std::stop_token stop_;
  std::optional<absl::StatusOr<GateFigure>> candidate_;
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_PUBLISHER_H_
