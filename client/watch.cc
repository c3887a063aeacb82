#include "client/watch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace latent {

absl::Status Watch(Client& client, const std::string& job_id, const WatchOptions& options,
                   const std::function<bool(const v1::JobEvent&)>& on_event) {
  v1::WatchTrainJobRequest request;
  request.set_job_id(job_id);
  request.set_after_sequence(options.after_sequence);
  Resumer resumer(options.resume);
  const auto start = std::chrono::steady_clock::now();
  const auto left = [&] {
    if (!options.timeout) return options.stream_timeout;
    return *options.timeout - std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::steady_clock::now() - start);
  };
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
    const std::chrono::milliseconds most = std::min(options.stream_timeout, left());
    if (most.count() <= 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("job ", job_id, " has not ended within the time given to watch it"));
    }
    absl::Status status =
        client.WatchTrainJob(request, deliver, {.timeout = most, .stop = options.stop});
    if (status.ok() || !wanted) return absl::OkStatus();
    if (options.stop.stop_requested()) return absl::CancelledError("stopped watching");
    const bool stream_ran_out = absl::IsDeadlineExceeded(status);
    if (!stream_ran_out && !resumer.Again(status)) return status;
  }
}

}  // namespace latent
