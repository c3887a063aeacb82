#include "server/call.h"

#include "core/base/status.h"
#include "server/logging.h"
#include "server/status_codec.h"

namespace latent {

bool CallBase::expired() const { return std::chrono::system_clock::now() >= deadline_; }

absl::Status CallBase::StillWanted() const {
  if (cancelled()) return absl::CancelledError("the caller cancelled");
  if (expired()) return absl::DeadlineExceededError("the deadline passed before the work began");
  return absl::OkStatus();
}

void CallBase::Reset() {
  context_.emplace();
  cancelled_ = false;
  awaits_done_ = false;
  retired_ = false;
  log_model_.clear();
  log_request_id_.clear();
  // gRPC wants this before the call is requested, so it cannot depend on the request's size.
  if (notify_) context_->AsyncNotifyWhenDone(&done_);
}

absl::Status CallBase::Admit() {
  arrival_ = SteadyClock::now();
  deadline_ = context_->deadline();
  awaits_done_ = notify_;
  method_->metrics->Started();
  if (!method_->before_ready && !method_->environment->ready.load(std::memory_order_acquire)) {
    ErrorDetails details;
    details.reason = "NOT_READY";
    details.retry_after = std::chrono::milliseconds(500);
    return MakeError(absl::StatusCode::kUnavailable,
                     "the server is starting and still recovers its state; try again shortly",
                     std::move(details));
  }
  return StillWanted();
}

grpc::Status CallBase::Conclude(const absl::Status& status) {
  const std::chrono::duration<double> seconds = SteadyClock::now() - arrival_;
  method_->metrics->Handled(status.code(), seconds.count());
  if (const std::string pushback = RetryPushback(status); !pushback.empty()) {
    context_->AddTrailingMetadata(kRetryPushbackKey, pushback);
  }
  const Severity severity =
      status.ok() && !method_->log_success ? Severity::kDebug : SeverityOf(status);
  if (LogEnabled(severity)) {
    const std::string error(status.message());
    Log(severity, "call",
        {{"method", method_->full_name},
         {"code", CodeName(status.code())},
         {"duration_s", seconds.count()},
         {"model", log_model_},
         {"request_id", log_request_id_},
         {"error", error}});
  }
  return ToGrpcStatus(status, method_->environment->hidden_path);
}

void CallBase::Retire() {
  retired_ = true;
  if (!awaits_done_) Recycle();
}

void CallBase::Done::Proceed(bool) {
  call_->awaits_done_ = false;
  if (call_->retired_) {
    call_->Recycle();
    return;
  }
  if (call_->context_->IsCancelled()) {
    call_->cancelled_ = true;
    call_->OnCancelled();
  }
}

}  // namespace latent
