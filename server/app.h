// The whole server in one object: listeners, event loops, executor, services and the state behind
// them. Made by main, or by a test with port 0; Start and Shutdown block. Not its job: signals,
// flags and exit codes (main).
#ifndef LATENT_SERVER_APP_H_
#define LATENT_SERVER_APP_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "server/config.h"

namespace latent {

class App {
 public:
  // What Start has reached; the server does not serve yet.
  enum class Stage { kListening, kWarmed };
  using Observer = std::function<void(Stage stage, int port)>;

  // Listens at once (health says NOT_SERVING), recovers the state directory, loads what aliases
  // name, then serves. Errors are for the operator. `observer` is called on the way, on this
  // thread: Start goes on when it returns.
  static absl::StatusOr<std::unique_ptr<App>> Start(Config config,
                                                    const Observer& observer = nullptr);
  // Shuts down.
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Bound ports; 0 for a UNIX socket, and for metrics that are off.
  int port() const;
  int metrics_port() const;

  // Rows of calls that have not been answered.
  std::uint64_t rows_in_flight() const;

  // Health says NOT_SERVING, the running job checkpoints and goes back to the queue, calls in
  // flight end within `drain_seconds`. A second call does nothing.
  void Shutdown();

 private:
  class Impl;
  explicit App(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace latent

#endif  // LATENT_SERVER_APP_H_
