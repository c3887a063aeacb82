#include "client/cli/watch_job.h"

#include "absl/strings/str_cat.h"
#include "client/cli/describe.h"
#include "client/render/text.h"
#include "client/watch.h"

namespace latent::cli {
namespace {

// Without a live line only what changes is worth one: states, phases and epochs.
class EventPrinter {
 public:
  explicit EventPrinter(LiveLine& line) : line_(line) {}

  void Show(const v1::JobEvent& event) {
    const bool new_state = event.state() != job_.state || event.phase() != job_.phase;
    job_.Add(event);
    const std::string remark =
        event.message().empty() ? "" : absl::StrCat("  ", Printable(event.message()));
    const Terminal& terminal = line_.terminal();
    if (terminal.live) {
      line_.Update(job_.Text(terminal.width - 1, terminal.unicode) + remark, event.stored());
    } else if (new_state || event.stored()) {
      const std::string text = job_.PlainText() + remark;
      if (text != last_) line_.Print(text);
      last_ = text;
    }
  }

 private:
  LiveLine& line_;
  JobLine job_;
  std::string last_;
};

}  // namespace

absl::StatusOr<v1::TrainJob> WatchToTheEnd(Context& context, const std::string& job_id) {
  LiveLine line = context.Progress();
  EventPrinter printer(line);
  WatchOptions options;
  options.stop = context.stop;
  if (context.timeout_seconds) options.timeout = *context.Call().timeout;
  const absl::Status watched =
      Watch(context.client(), job_id, options, [&](const v1::JobEvent& event) {
        printer.Show(event);
        return true;
      });
  if (!watched.ok()) return watched;
  v1::GetTrainJobRequest request;
  request.set_job_id(job_id);
  auto response = context.client().GetTrainJob(request, context.Call());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_job());
}

absl::Status StatusOfEndedJob(const v1::TrainJob& job) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("job ", job.id(), " ended as ", ShortName(job.state()),
                                         job.error().empty() ? "" : ": ", job.error()));
}

void PrintJob(const Context& context, const v1::TrainJob& job) {
  context.Print(DescribeJob(job), job);
  if (context.format != OutputFormat::kTable || job.metrics_size() == 0) return;
  WriteOut("\n");
  context.Print(DescribeMetrics(job.metrics()), job);
}

}  // namespace latent::cli
