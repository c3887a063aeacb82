#include "client/retry.h"

#include <algorithm>
#include <thread>

namespace latent {

bool Resumer::Again(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return false;
  if (++failures_ >= policy_.attempts) return false;
  const auto pause = policy_.first_pause * std::min(1 << std::min(failures_ - 1, 5), 30);
  if (policy_.wait) {
    policy_.wait(pause);
  } else {
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace latent
