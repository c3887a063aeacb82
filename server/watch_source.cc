#include "server/watch_source.h"

#include <optional>
#include <utility>

#include "server/resource_convert.h"
#include "server/unary_call.h"

namespace latent {
namespace {

// What one pull has brought.
struct Pulled {
  absl::Status status;
  std::optional<JobEvent> event;
  bool done = false;
};

// Outlives the call as long as a pull or a notice is under way. Fields belong to the loop, except
// `watcher`, which belongs to the one pull that runs.
struct Core : std::enable_shared_from_this<Core> {
  JobStore* jobs = nullptr;
  IoExecutor* executor = nullptr;
  EventLoop* loop = nullptr;
  WatchCall* call = nullptr;  // null after the call has ended
  std::string job_id;
  std::uint64_t after = 0;
  std::shared_ptr<WatchHub::Watcher> watcher;
  bool pulling = false;
  bool news = false;

  void Pull();
  Pulled Fetch();
  void Take(const Pulled& pulled);
};

void Core::Pull() {
  news = true;
  if (call == nullptr || call->finished() || call->writing() || pulling) return;
  news = false;
  pulling = true;
  const absl::Status submitted = executor->Submit([self = shared_from_this()] {
    Pulled pulled;
    pulled.status = Guarded([&] {
      pulled = self->Fetch();
      return pulled.status;
    });
    self->loop->Post([self, pulled = std::move(pulled)] { self->Take(pulled); });
  });
  if (!submitted.ok()) call->Finish(submitted);
}

Pulled Core::Fetch() {
  Pulled pulled;
  if (watcher == nullptr) {
    auto made = jobs->Watch(job_id, after, [weak = weak_from_this(), to = loop] {
      to->Post([weak] {
        if (const auto self = weak.lock()) self->Pull();
      });
    });
    if (!made.ok()) return {.status = made.status(), .event = {}, .done = true};
    watcher = std::move(*made);
  }
  auto next = watcher->Next();
  if (!next.ok()) return {.status = next.status(), .event = {}, .done = true};
  pulled.event = std::move(*next);
  pulled.done = watcher->done();
  return pulled;
}

void Core::Take(const Pulled& pulled) {
  pulling = false;
  if (call == nullptr || call->finished()) return;
  if (!pulled.status.ok()) return call->Finish(pulled.status);
  if (pulled.event) {
    v1::WatchTrainJobResponse response;
    ToMessage(*pulled.event, response.mutable_event());
    call->Write(response);
  }
  if (pulled.done) return call->Finish(absl::OkStatus());
  if (!pulled.event && news) Pull();
}

class WatchSource final : public StreamSource {
 public:
  explicit WatchSource(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~WatchSource() override { core_->call = nullptr; }
  void Ready() override { core_->Pull(); }
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
