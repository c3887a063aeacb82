// How long a stream that broke off is taken up again. A value; any thread.
#ifndef LATENT_CLIENT_RETRY_H_
#define LATENT_CLIENT_RETRY_H_

#include <chrono>
#include <functional>

#include "absl/status/status.h"

namespace latent {

struct ResumePolicy {
  // Attempts in a row without any progress before the error is returned, at least 1.
  int attempts = 12;
  // Pause after the first failure; doubles up to 30 times as much.
  std::chrono::milliseconds first_pause{100};
  // How to wait; tests put a recorder here. Default: sleep.
  std::function<void(std::chrono::milliseconds)> wait = {};
};

// Counts failures in a row and waits between them.
class Resumer {
 public:
  explicit Resumer(const ResumePolicy& policy) : policy_(policy) {}

  void Progress() { failures_ = 0; }
  // True, after a pause, if what ended with `status` should be taken up again: the server was
  // unreachable and attempts are left.
  bool Again(const absl::Status& status);

 private:
  const ResumePolicy& policy_;
  int failures_ = 0;
};

}  // namespace latent

#endif  // LATENT_CLIENT_RETRY_H_
