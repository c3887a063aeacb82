// The state behind the services: store, jobs, runner and loaded models, opened and wired in the
// order that recovery needs. Owned by App; empty until Open() has returned, and no call that uses
// it is admitted before. Not its job: anything of the wire.
#ifndef LATENT_SERVER_BACKEND_H_
#define LATENT_SERVER_BACKEND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/base/mutex.h"
#include "core/jobs/job_store.h"
#include "core/jobs/runner.h"
#include "core/serve/model_cache.h"
#include "core/store/store.h"
#include "core/train/plan.h"
#include "server/config.h"
#include "server/io_executor.h"

namespace latent {

class Backend {
 public:
  // `config` as in force. `loader` is one thread with a queue that never refuses; borrowed.
  Backend(Config config, IoExecutor* loader);
  ~Backend();

  // Recovers, loads what aliases name and starts the runner. Blocks; errors are for the operator.
  absl::Status Open();
  // The running job checkpoints and is queued again; returns when it has.
  void StopJobs();

  Store& store() { return *store_; }
  JobStore& jobs() { return *jobs_; }
  Runner& runner() { return *runner_; }
  ModelCache& cache() { return *cache_; }
  // What Resolve needs of the server.
  const PlanEnvironment& plan_environment() const { return plan_environment_; }
  // Bytes of --memory-budget-mib, and what of them is not for loaded versions: what the running job
  // expects to hold and what is set aside for rows in flight.
  struct Memory {
    std::uint64_t budget = 0, training = 0, rows = 0;
  };
  Memory memory() const { return {memory_.budget, training_bytes_.load(), memory_.rows}; }

 private:
  absl::Status OpenStore();
  absl::Status Recover(std::vector<std::string>* notes);
  // Logs each damaged version once.
  void ReportDamage();
  void MakeCache();
  // Runs `work` on the loader's thread, which gives way to calls, after what waits there; returns
  // when it has run. Never on that thread itself.
  absl::Status OnLoader(const std::function<absl::Status()>& work);
  void MakeRunner();
  // What needs doing behind the calls: the check of all files once, upkeep every hour.
  void Maintain(const std::stop_token& stop);

  const Config config_;
  IoExecutor* const loader_;
  const Memory memory_;  // without training
  std::atomic<std::uint64_t> training_bytes_ = 0;
  PlanEnvironment plan_environment_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<JobStore> jobs_;
  std::unique_ptr<ModelCache> cache_;
  std::unique_ptr<Runner> runner_;
  Mutex mutex_;
  std::set<std::pair<std::string, std::uint64_t>> reported_ ABSL_GUARDED_BY(mutex_);
  CondVar wake_;
  std::jthread maintenance_;
};

}  // namespace latent

#endif  // LATENT_SERVER_BACKEND_H_
