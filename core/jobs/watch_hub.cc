#include "core/jobs/watch_hub.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"

namespace latent {
namespace {

// Stored events that a watcher holds at most.
constexpr std::size_t kReadAhead = 64;

}  // namespace

WatchHub::Watcher::Watcher(WatchHub* hub, std::string job_id, std::uint64_t after,
                           std::function<void()> notify)
    : hub_(hub),
      job_id_(std::move(job_id)),
      notify_(std::move(notify)),
      cursor_(after),
      last_(after) {}

std::optional<JobEvent> WatchHub::Watcher::Take() {
  if (done_) return std::nullopt;
  MutexLock lock(&mutex_);
  if (!stored_.empty()) {
    JobEvent event = std::move(stored_.front());
    stored_.pop_front();
    cursor_ = event.sequence;
    done_ = IsEnded(event.state);
    return event;
  }
  if (behind_) return std::nullopt;
  std::optional<JobEvent> live = std::exchange(live_, std::nullopt);
  if (live) live->sequence = cursor_;
  return live;
}

bool WatchHub::Watcher::behind() const {
  MutexLock lock(&mutex_);
  return !done_ && stored_.empty() && behind_;
}

absl::StatusOr<std::optional<JobEvent>> WatchHub::Watcher::Next() {
  if (behind()) LATENT_RETURN_IF_ERROR(ReadStored());
  return Take();
}

absl::Status WatchHub::Watcher::ReadStored() {
  std::uint64_t from = 0;
  {
    MutexLock lock(&mutex_);
    from = last_;
  }
  // While `behind_` is set, events are not added but noted in `missed_`.
  auto events = hub_->read_(job_id_, from, kReadAhead);
  LATENT_RETURN_IF_ERROR(events.status());
  MutexLock lock(&mutex_);
  stored_.assign(std::make_move_iterator(events->begin()), std::make_move_iterator(events->end()));
  if (!stored_.empty()) last_ = stored_.back().sequence;
  behind_ = stored_.size() == kReadAhead || missed_ > last_;
  // What is stored is newer than the step that was shown before it.
  if (!stored_.empty()) live_.reset();
  return absl::OkStatus();
}

void WatchHub::Watcher::Add(const JobEvent& event) {
  MutexLock lock(&mutex_);
  if (!event.stored) {
    live_ = event;
    return;
  }
  live_.reset();
  if (event.sequence <= last_) return;
  // Commits may be told out of order; what is missing then is in the store.
  if (!behind_ && event.sequence == last_ + 1 && stored_.size() < kReadAhead) {
    last_ = event.sequence;
    stored_.push_back(event);
    return;
  }
  behind_ = true;
  missed_ = std::max(missed_, event.sequence);
}

std::shared_ptr<WatchHub::Watcher> WatchHub::Watch(std::string job_id, std::uint64_t after,
                                                   std::function<void()> notify) {
  std::shared_ptr<Watcher> watcher(new Watcher(this, job_id, after, std::move(notify)));
  MutexLock lock(&mutex_);
  watchers_[std::move(job_id)].push_back(watcher);
  return watcher;
}

void WatchHub::Publish(const std::string& job_id, const JobEvent& event) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(&mutex_);
    const auto it = watchers_.find(job_id);
    if (it == watchers_.end()) return;
    std::erase_if(it->second, [&](const std::weak_ptr<Watcher>& weak) {
      std::shared_ptr<Watcher> watcher = weak.lock();
      if (watcher == nullptr) return true;
      watchers.push_back(std::move(watcher));
      return false;
    });
    if (it->second.empty()) watchers_.erase(it);
  }
  for (const auto& watcher : watchers) {
    watcher->Add(event);
    watcher->notify_();
  }
}

std::size_t WatchHub::watchers() const {
  MutexLock lock(&mutex_);
  std::size_t count = 0;
  for (const auto& [id, watchers] : watchers_) {
    for (const auto& watcher : watchers) count += watcher.expired() ? 0 : 1;
  }
  return count;
}

}  // namespace latent
