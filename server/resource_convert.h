// core's records of datasets, jobs, models and versions as the API's messages, and declarations the
// other way. Pure functions; any thread.
#ifndef LATENT_SERVER_RESOURCE_CONVERT_H_
#define LATENT_SERVER_RESOURCE_CONVERT_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/status.h"
#include "core/data/parse.h"
#include "core/jobs/job.h"
#include "core/store/datasets.h"
#include "core/store/registry_snapshot.h"
#include "latent/v1/dataset_service.pb.h"
#include "latent/v1/registry_service.pb.h"
#include "latent/v1/training_service.pb.h"

namespace latent {

void SetTime(std::int64_t unix_micros, google::protobuf::Timestamp* out);

// The version or alias that a request with such a choice names; `prefix` goes before the field's
// name. INVALID_ARGUMENT for version 0 and for an empty alias.
template <typename Request>
absl::StatusOr<VersionSelector> ToSelector(const Request& request, const std::string& prefix) {
  VersionSelector selector;
  if (request.has_version()) {
    if (request.version() == 0) {
      return InvalidField(prefix + "version", "expected 1 or more, got 0");
    }
    selector.version = request.version();
  }
  if (request.has_alias()) {
    if (request.alias().empty()) {
      return InvalidField(prefix + "alias", "expected an alias's name, got nothing");
    }
    selector.alias = request.alias();
  }
  return selector;
}

// The same error as the fault of one field: "<path>: " before the message, and a violation.
absl::Status AtField(const absl::Status& status, const std::string& path);

// What a declaration means. INVALID_ARGUMENT with a violation for each bad field, below `prefix`.
absl::StatusOr<ParseRequest> ToParseRequest(const v1::DatasetDeclaration& declaration,
                                            const std::string& prefix);
void ToMessage(const DatasetRecord& record, v1::Dataset* out);
void ToMessage(const std::vector<FileProgress>& files,
               google::protobuf::RepeatedPtrField<v1::FileProgress>* out);
void ToMessage(const JobRecord& record, v1::TrainJob* out);
void ToMessage(const JobEvent& event, v1::JobEvent* out);
void ToMessage(const ModelInfo& model, v1::Model* out);
// Without plan and metrics, which stand in the version's files.
void ToMessage(const ModelInfo& model, const VersionInfo& version, v1::ModelVersion* out);

}  // namespace latent

#endif  // LATENT_SERVER_RESOURCE_CONVERT_H_
