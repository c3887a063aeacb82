// latentd: trains, publishes and serves autoencoders over gRPC.
// Exit codes: 0 after a clean shutdown, 1 if it could not start, 2 for a bad configuration.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <iostream>

#include "absl/synchronization/mutex.h"
#include "server/app.h"

namespace {

// Debian's Abseil looks for lock cycles inside gRPC, which costs time and may abort the process;
// and requests of some 100 KB would otherwise be mapped and unmapped one by one.
void TuneProcess() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

// Signals that end the server; blocked in every thread, taken by WaitForSignal alone.
sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  TuneProcess();
  const sigset_t signals = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const auto action = latent::ReadConfig({argv + 1, argv + argc}, &std::getenv);
  if (!action.ok()) {
    std::cerr << "latentd: " << action.status().message() << "\n";
    return 2;
  }
  if (action->kind == latent::ConfigAction::Kind::kPrintAndExit) {
    std::cout << action->output;
    return 0;
  }
  const auto app = latent::App::Start(action->config);
  if (!app.ok()) {
    std::cerr << "latentd: " << app.status().message() << "\n";
    return 1;
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  // A second one ends the process at once; every acknowledged change is on disk already.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*app)->Shutdown();
  return 0;
}
