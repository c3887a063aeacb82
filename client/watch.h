// Watching a train job across broken connections and restarts of the server.
#ifndef LATENT_CLIENT_WATCH_H_
#define LATENT_CLIENT_WATCH_H_

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "client/client.h"
#include "client/retry.h"

namespace latent {

struct WatchOptions {
  // Stored events with a greater sequence number come first.
  std::uint64_t after_sequence = 0;
  // A stream lives so long, then it is taken up anew: a connection that died silently is noticed.
  std::chrono::milliseconds stream_timeout{60'000};
  // Ends the whole of it with DEADLINE_EXCEEDED; none: until the job ends.
  std::optional<std::chrono::milliseconds> timeout = {};
  ResumePolicy resume = {};
  std::stop_token stop = {};
};

// Hands each event over once, stored ones in order, until the job has ended (OK), `on_event`
// returns false (OK), the timeout or an error that waiting does not mend. Blocks; `on_event` runs
// in the caller's thread.
absl::Status Watch(Client& client, const std::string& job_id, const WatchOptions& options,
                   const std::function<bool(const v1::JobEvent&)>& on_event);

}  // namespace latent

#endif  // LATENT_CLIENT_WATCH_H_
