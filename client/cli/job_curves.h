// What a job's stored events tell of its losses. Functions that ask the server; main thread.
#ifndef LATENT_CLIENT_CLI_JOB_CURVES_H_
#define LATENT_CLIENT_CLI_JOB_CURVES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "core/picture/plots.h"
#include "latent/v1/training_service.pb.h"

namespace latent::cli {

bool HasEnded(v1::JobState state);
// The stored events of a job. One that still runs would be watched for ever: two seconds are enough
// for what is stored.
absl::StatusOr<std::vector<v1::JobEvent>> StoredEvents(Context& context, const v1::TrainJob& job);
// Losses over epochs, and their terms in a plot of their own where there are several; none without
// a finished epoch.
std::vector<CurvePlot> LossPlots(const std::vector<v1::JobEvent>& events);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_JOB_CURVES_H_
