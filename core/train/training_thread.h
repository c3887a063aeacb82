// Runs a piece of training on a thread of its own, scheduled behind the threads that answer calls,
// and notices when that leaves it nothing. Threads that it starts (a ThreadPool's) inherit the
// class. The caller waits; one call at a time on one thread.
#ifndef LATENT_CORE_TRAIN_TRAINING_THREAD_H_
#define LATENT_CORE_TRAIN_TRAINING_THREAD_H_

#include <functional>

namespace latent {

enum class ThreadClass {
  kNormal,
  kIdle,  // SCHED_IDLE; where that is refused, nice 19
  kNice,  // nice 19: slow beside a busy server, but it never stands still
};

// Puts the calling thread into a class. A class cannot be left for a higher one without privileges,
// so this is for threads that end with the work.
void EnterThreadClass(ThreadClass thread_class);

// Whether a thread that got `cpu_seconds` in `wall_seconds` starves: less than 2 % of a core.
bool Starves(double cpu_seconds, double wall_seconds);
inline constexpr double kStarvationWindowSeconds = 60;

// Calls `work` on a new thread of that class and returns when it is done. Meanwhile calls
// `on_starved` from the calling thread after each window in which the new thread starved. Throws
// what `work` throws.
void RunTrainingThread(ThreadClass thread_class, const std::function<void()>& work,
                       const std::function<void()>& on_starved,
                       double window_seconds = kStarvationWindowSeconds);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_TRAINING_THREAD_H_
