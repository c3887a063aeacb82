// Runs the crash tests' workload on a state directory and tells what it begins and what was
// acknowledged on standard output. Ends without closing anything.
// usage: crash_workload run|recover STATE_DIR
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "tests/crash/workload.h"

namespace {

// Past the shim's reach and past all buffers.
void Tell(const std::string& line) {
  const std::string text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(3);
}

// What an attempt was refused with; then makes room, if the shim has filled the disk.
void Refused(const absl::Status& status) {
  const std::string reason = latent::DetailsOf(status).reason;
  Tell("refused " + absl::StatusCodeToString(status.code()) + " " + reason);
  if (const char* full = getenv("LATENT_SHIM_FULL")) unlink(full);
}

absl::StatusOr<std::unique_ptr<latent::Store>> OpenStore(const std::string& path) {
  latent::Store::Options options;
  options.path = path;
  std::vector<std::string> notes;
  return latent::Store::Open(std::move(options), &notes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  constexpr int kAttempts = 5;  // a call that fails once must not fail for ever
  auto store = OpenStore(argv[2]);
  for (int i = 0; !store.ok() && i < kAttempts; ++i) {
    Refused(store.status());
    store = OpenStore(argv[2]);
  }
  if (!store.ok()) {
    Tell("open: " + store.status().ToString());
    _exit(1);
  }
  if (std::string(argv[1]) == "recover") _exit(0);
  for (const latent::Step& step : latent::CrashSteps()) {
    Tell("try " + step.name);
    absl::StatusOr<std::string> detail = step.run(**store);
    for (int i = 0; !detail.ok() && i < kAttempts; ++i) {
      Refused(detail.status());
      detail = step.run(**store);
    }
    if (!detail.ok()) {
      Tell("failed: " + detail.status().ToString());
      _exit(1);
    }
    Tell("ack " + *detail);
  }
  _exit(0);
}
