// Live subscriptions to jobs. A watcher holds no queue: stored events are read from the store by
// sequence number when it pulls, and of live events only the newest waits, so a slow watcher costs
// nothing and blocks nobody. Owned by the server's composition; outlives its watchers; any thread.
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
  class Watcher {
   public:
    // The next event, or nullopt if there is none now (`notify` tells when there is). After the
    // event that ended the job, done() holds. May read the database: call it where that may block.
    // One thread at a time.
    absl::StatusOr<std::optional<JobEvent>> Next();
    // Whether the job has ended and everything was handed out. On the same thread as Next().
    bool done() const { return done_; }

   private:
    friend class WatchHub;
    Watcher(WatchHub* hub, std::string job_id, std::uint64_t after, std::function<void()> notify);
    WatchHub* const hub_;
    absl::Status ReadStored();
    const std::string job_id_;
    const std::function<void()> notify_;
    std::uint64_t cursor_;       // sequence of the last stored event that was handed out
    std::deque<JobEvent> page_;  // stored events that were read ahead
    bool done_ = false;
    Mutex mutex_;
    bool stored_news_ ABSL_GUARDED_BY(mutex_) = true;
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
