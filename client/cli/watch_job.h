// Watching a job on the terminal: for `latent train --watch` and `latent jobs watch`.
#ifndef LATENT_CLIENT_CLI_WATCH_JOB_H_
#define LATENT_CLIENT_CLI_WATCH_JOB_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "latent/v1/training_service.pb.h"

namespace latent::cli {

// Shows the job's progress on stderr until it ends: a live bar on a terminal, a line an epoch
// elsewhere. Returns the ended job.
absl::StatusOr<v1::TrainJob> WatchToTheEnd(Context& context, const std::string& job_id);

// OK for SUCCEEDED, else an error that says how the job ended.
absl::Status StatusOfEndedJob(const v1::TrainJob& job);

// The job's table and, once there are any, its figures.
void PrintJob(const Context& context, const v1::TrainJob& job);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_WATCH_JOB_H_
