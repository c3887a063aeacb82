#include "server/watch_source.h"

#include <optional>
#include <utility>

#include "core/base/status.h"
#include "server/resource_convert.h"
#include "server/unary_call.h"

namespace latent {
namespace {

// Outlives the call as long as a read or a notice is under way. Fields belong to the loop, except
// `watcher`, which belongs to the read while one runs.
struct Core : std::enable_shared_from_this<Core> {
  JobStore* jobs = nullptr;
  IoExecutor* executor = nullptr;
  EventLoop* loop = nullptr;
  WatchCall* call = nullptr;  // null after the call has ended
  std::string job_id;
  std::uint64_t after = 0;
  std::shared_ptr<WatchHub::Watcher> watcher;
  bool reading = false;

  void GoOn();
  void Read();
  absl::StatusOr<std::optional<JobEvent>> Fetch();
  void Show(const std::optional<JobEvent>& event);
};

void Core::GoOn() {
  // The end of the write or of the read leads here again.
  if (call == nullptr || call->finished() || call->writing() || reading) return;
  if (watcher == nullptr) return Read();
  const std::optional<JobEvent> event = watcher->Take();
  if (!event && watcher->behind()) return Read();
  Show(event);
}

void Core::Read() {
  reading = true;
  const absl::Status submitted = executor->Submit([self = shared_from_this()] {
    absl::StatusOr<std::optional<JobEvent>> read;
    const absl::Status status = Guarded([&] {
      read = self->Fetch();
      return read.status();
    });
    self->loop->Post([self, status, read = std::move(read)] {
      self->reading = false;
      if (self->call == nullptr || self->call->finished()) return;
      if (!status.ok()) return self->call->Finish(status);
      self->Show(*read);
      // Nothing is being written if there was no event; news may have come during the read.
      if (!*read) self->GoOn();
    });
  });
  if (!submitted.ok()) call->Finish(submitted);  // the server shuts down
}

absl::StatusOr<std::optional<JobEvent>> Core::Fetch() {
  if (watcher == nullptr) {
    LATENT_ASSIGN_OR_RETURN(watcher,
                            jobs->Watch(job_id, after, [weak = weak_from_this(), to = loop] {
                              to->Post([weak] {
                                if (const auto self = weak.lock()) self->GoOn();
                              });
                            }));
  }
  return watcher->Next();
}

void Core::Show(const std::optional<JobEvent>& event) {
  if (event) {
    v1::WatchTrainJobResponse response;
    ToMessage(*event, response.mutable_event());
    call->Write(response);
  }
  if (watcher->done()) call->Finish(absl::OkStatus());
}

class WatchSource final : public StreamSource {
 public:
  explicit WatchSource(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~WatchSource() override { core_->call = nullptr; }
  void Ready() override { core_->GoOn(); }
  void Cancelled(const absl::Status&) override {}

 private:
  const std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<StreamSource> MakeWatchSource(JobStore* jobs, IoExecutor* executor,
                                              WatchCall* call) {
  auto core = std::make_shared<Core>();
  core->jobs = jobs;
  core->executor = executor;
  core->loop = &call->loop();
  core->call = call;
  core->job_id = call->request().job_id();
  core->after = call->request().after_sequence();
  return std::make_unique<WatchSource>(std::move(core));
}

}  // namespace latent
