#include "server/health_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// Sends the newest status whenever it differs from the last one that was sent.
class HealthService::Watcher final : public StreamSource {
 public:
  Watcher(HealthService* health, WatchCall* call)
      : health_(health), call_(call), watchers_(health->watchers_[Index()]) {
    watchers_.insert(this);
  }
  ~Watcher() override { watchers_.erase(this); }

  void Ready() override {
    const Status now = health_->StatusOf(call_->request().service());
    if (call_->writing() || call_->finished() || sent_ == now) return;
    sent_ = now;
    HealthCheckResponse response;
    response.set_status(now);
    call_->Write(response);
  }
  void Cancelled(const absl::Status&) override {}

 private:
  std::size_t Index() const { return static_cast<std::size_t>(call_->loop().index()); }

  HealthService* const health_;
  WatchCall* const call_;
  std::set<Watcher*>& watchers_;
  std::optional<Status> sent_;
};

HealthService::HealthService(std::vector<std::string> services)
    : names_(services.begin(), services.end()) {
  names_.insert("");
  names_.insert("readiness");
}

HealthService::~HealthService() = default;

void HealthService::Bind(Router& router) {
  loops_ = router.loops();
  watchers_.resize(loops_.size());
  const MethodOptions options{.before_ready = true, .log_success = false, .armed = 4};
  router.Inline<Health>(
      &service_, "Check", &Health::AsyncService::RequestCheck,
      [this](const HealthCheckRequest& request, HealthCheckResponse* response) -> absl::Status {
        response->set_status(StatusOf(request.service()));
        if (response->status() != HealthCheckResponse::SERVICE_UNKNOWN) return absl::OkStatus();
        return MakeError(absl::StatusCode::kNotFound, "UNKNOWN_SERVICE",
                         absl::StrCat("service: expected \"\", \"readiness\" or a full service "
                                      "name, got \"",
                                      request.service(), "\""));
      },
      options);
  router.ServerStream<Health>(
      &service_, "Watch", &Health::AsyncService::RequestWatch,
      [this](WatchCall& call) { return std::make_unique<Watcher>(this, &call); }, options);
}

void HealthService::SetServing(bool serving) {
  serving_.store(serving, std::memory_order_release);
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->Post([this, i] {
      for (Watcher* watcher : watchers_[i]) watcher->Ready();
    });
  }
}

HealthService::Status HealthService::StatusOf(const std::string& service) const {
  if (!names_.contains(service)) return HealthCheckResponse::SERVICE_UNKNOWN;
  return serving_.load(std::memory_order_acquire) ? HealthCheckResponse::SERVING
                                                  : HealthCheckResponse::NOT_SERVING;
}

}  // namespace latent
