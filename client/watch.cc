#include "client/watch.h"

namespace latent {

absl::Status Watch(Client& client, const std::string& job_id, const WatchOptions& options,
                   const std::function<bool(const v1::JobEvent&)>& on_event) {
  v1::WatchTrainJobRequest request;
  request.set_job_id(job_id);
  request.set_after_sequence(options.after_sequence);
  Resumer resumer(options.resume);
  while (true) {
    bool wanted = true;
    const auto deliver = [&](const v1::JobEvent& event) {
      resumer.Progress();
      if (event.stored()) {
        if (event.sequence() <= request.after_sequence()) return true;  // already handed over
        request.set_after_sequence(event.sequence());
      }
      wanted = on_event(event);
      return wanted;
    };
    absl::Status status = client.WatchTrainJob(
        request, deliver, {.timeout = options.stream_timeout, .stop = options.stop});
    if (status.ok() || !wanted) return absl::OkStatus();
    if (options.stop.stop_requested()) return absl::CancelledError("stopped watching");
    const bool stream_ran_out = absl::IsDeadlineExceeded(status);
    if (!stream_ran_out && !resumer.Again(status)) return status;
  }
}

}  // namespace latent
