// Live subscriptions to jobs. A watcher that keeps up is given every event from memory; one that
// does not is given stored events from the store, by sequence number, and of live ones the newest,
// so a slow watcher costs little and blocks nobody. Owned by the job store; outlives its watchers;
// any thread.
#ifndef LATENT_CORE_JOBS_WATCH_HUB_H_
#define LATENT_CORE_JOBS_WATCH_HUB_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/jobs/job.h"

namespace latent {

// Where stored events are read: at most `limit` events of a job with a sequence number greater than
// `after`, ascending. Blocks on the database. NOT_FOUND if there is no such job.
using ReadEvents = std::function<absl::StatusOr<std::vector<JobEvent>>(
    const std::string& job_id, std::uint64_t after, std::size_t limit)>;

class WatchHub {
 public:
  // Take, Next and done: one thread at a time.
  class Watcher {
   public:
    // The next event that is in memory, or nullopt. Never blocks. After the event that ended the
    // job, done() holds.
    std::optional<JobEvent> Take();
    // Whether stored events must be read before there is more to take.
    bool behind() const;
    // The next event, or nullopt if there is none now (`notify` tells when there is). May read the
    // database: call it where that may block.
    absl::StatusOr<std::optional<JobEvent>> Next();
    // Whether the job has ended and everything was handed out.
    bool done() const { return done_; }

   private:
    friend class WatchHub;
    Watcher(WatchHub* hub, std::string job_id, std::uint64_t after, std::function<void()> notify);
    absl::Status ReadStored();
    void Add(const JobEvent& event);

    WatchHub* const hub_;
    const std::string job_id_;
    const std::function<void()> notify_;
    std::uint64_t cursor_;  // sequence of the last stored event that was handed out
    bool done_ = false;
    mutable Mutex mutex_;
    std::deque<JobEvent> stored_ ABSL_GUARDED_BY(mutex_);  // in order, to be handed out
    std::uint64_t last_ ABSL_GUARDED_BY(mutex_);  // sequence of the newest in `stored_`, or cursor_
    std::uint64_t missed_ ABSL_GUARDED_BY(mutex_) = 0;  // newest that was not put there
    bool behind_ ABSL_GUARDED_BY(mutex_) = true;        // the store may have more than `last_`
    std::optional<JobEvent> live_ ABSL_GUARDED_BY(mutex_);
  };

  explicit WatchHub(ReadEvents read) : read_(std::move(read)) {}

  // Watches a job from the stored event after `after` on (0: from its first). `notify` is called
  // from other threads whenever Next() may have something; it must not block, and may still be
  // running when the watcher is let go. Dropping the pointer ends the watch.
  std::shared_ptr<Watcher> Watch(std::string job_id, std::uint64_t after,
                                 std::function<void()> notify);
  // For a job that had ended before `after`: nothing will come.
  static void MarkDone(Watcher& watcher) { watcher.done_ = true; }
  // Says that an event happened: a stored one (after its transaction) or a live one. Never blocks
  // on watchers.
  void Publish(const std::string& job_id, const JobEvent& event);
  std::size_t watchers() const;

 private:
  const ReadEvents read_;
  mutable Mutex mutex_;
  std::map<std::string, std::vector<std::weak_ptr<Watcher>>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_WATCH_HUB_H_
