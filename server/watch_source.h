// One WatchTrainJob stream: writes the job's next event, from memory on the loop or, where the
// watcher is behind, from the database on an executor; goes on when it has gone out or the hub says
// that there is news. At most one piece of a stream waits for the executor. Lives as long as its
// call, on the call's loop.
#ifndef LATENT_SERVER_WATCH_SOURCE_H_
#define LATENT_SERVER_WATCH_SOURCE_H_

#include <memory>

#include "core/jobs/job_store.h"
#include "latent/v1/training_service.grpc.pb.h"
#include "server/io_executor.h"
#include "server/stream_calls.h"

namespace latent {

using WatchCall = ServerStreamCall<v1::WatchTrainJobRequest, v1::WatchTrainJobResponse>;

std::unique_ptr<StreamSource> MakeWatchSource(JobStore* jobs, IoExecutor* executor,
                                              WatchCall* call);

}  // namespace latent

#endif  // LATENT_SERVER_WATCH_SOURCE_H_
