#include "client/render/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/render/text.h"

namespace latent {
namespace {

constexpr const char* kEighths[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::string Without(const std::string& name, absl::string_view prefix) {
  return absl::StartsWith(name, prefix) ? name.substr(prefix.size()) : name;
}

std::string Losses(const v1::TrainProgress& progress) {
  std::string text = absl::StrCat("loss ", FormatNumber(progress.train_loss()));
  if (progress.has_validation_loss()) {
    absl::StrAppend(&text, " val ", FormatNumber(progress.validation_loss()));
  }
  return text;
}

double ShareOf(const v1::TrainProgress& progress) {
  if (progress.steps() > 0) {
    return static_cast<double>(progress.step()) / static_cast<double>(progress.steps());
  }
  return progress.epochs() > 0 ? static_cast<double>(progress.epoch()) / progress.epochs() : 0;
}

bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string lower = absl::AsciiStrToLower(value);
    return absl::StrContains(lower, "utf-8") || absl::StrContains(lower, "utf8");
  }
  return false;
}

}  // namespace

std::string Bar(double share, int width, bool unicode) {
  const int full = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width));
  std::string bar = unicode ? "" : "[";
  for (int i = 0; i < width; ++i) {
    bar += unicode ? (i < full ? "━" : "╌") : (i < full ? "#" : "-");
  }
  return bar + (unicode ? "" : "]");
}

std::string Sparkline(const std::vector<double>& values, std::size_t width, bool unicode) {
  std::vector<double> finite;
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (!unicode || finite.empty()) return "";
  if (finite.size() > width) finite.erase(finite.begin(), finite.end() - static_cast<long>(width));
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  const double lowest = *low, span = *high - *low;
  std::string line;
  for (const double value : finite) {
    const double share = span > 0 ? (value - lowest) / span : 0;
    line += kEighths[std::min<std::size_t>(static_cast<std::size_t>(share * 8), 7)];
  }
  return line;
}

std::string ShortName(v1::JobState state) {
  return Without(v1::JobState_Name(state), "JOB_STATE_");
}
std::string ShortName(v1::JobPhase phase) {
  return Without(v1::JobPhase_Name(phase), "JOB_PHASE_");
}

void JobLine::Add(const v1::JobEvent& event) {
  state = event.state();
  phase = event.phase();
  if (!event.has_progress()) return;
  const std::uint32_t epoch_before = progress.epoch();
  progress = event.progress();
  if (event.stored() && progress.epoch() > epoch_before) {
    losses.push_back(progress.has_validation_loss() ? progress.validation_loss()
                                                    : progress.train_loss());
  }
}

std::string JobLine::PlainText() const {
  const bool running = state == v1::JOB_STATE_RUNNING && phase != v1::JOB_PHASE_UNSPECIFIED;
  std::string text = running ? ShortName(phase) : ShortName(state);
  if (progress.steps() == 0) return text;
  absl::StrAppend(&text, "  epoch ", progress.epoch(), "/", progress.epochs(), "  ",
                  Losses(progress));
  if (running && phase == v1::JOB_PHASE_TRAINING) {
    absl::StrAppend(
        &text, "  ",
        FormatCount(static_cast<std::uint64_t>(std::max(progress.samples_per_second(), 0.0))),
        " rows/s  ETA ", FormatDuration(progress.eta_seconds()));
  }
  return text;
}

std::string JobLine::Text(std::size_t width, bool unicode) const {
  std::string text = PlainText();
  if (progress.steps() > 0 && width >= 60) {
    const int bar_width = static_cast<int>(std::min<std::size_t>(24, width / 4));
    text = absl::StrCat(Bar(ShareOf(progress), bar_width, unicode), " ", text);
    const std::size_t used = DisplayWidth(text) + 2;
    if (used + 4 <= width) {
      const std::string line = Sparkline(losses, std::min<std::size_t>(width - used, 20), unicode);
      if (!line.empty()) absl::StrAppend(&text, "  ", line);
    }
  }
  return Shorten(text, width);
}

Terminal TerminalOf(std::FILE* stream) {
  Terminal terminal;
  const int fd = fileno(stream);
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || absl::string_view(term) == "dumb";
  const char* no_color = std::getenv("NO_COLOR");
  terminal.live = isatty(fd) != 0 && !dumb;
  terminal.unicode = LocaleIsUtf8();
  terminal.color = terminal.live && (no_color == nullptr || *no_color == '\0');
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal.width = size.ws_col;
  return terminal;
}

LiveLine::LiveLine(std::FILE* stream, Terminal terminal, bool quiet)
    : stream_(stream), terminal_(terminal), quiet_(quiet) {}
LiveLine::~LiveLine() { Clear(); }

void LiveLine::Update(std::string_view text, bool now) {
  if (quiet_ || !terminal_.live) return;
  const auto time = std::chrono::steady_clock::now();
  if (!now && shown_ && time - last_ < std::chrono::milliseconds(100)) return;
  last_ = time;
  shown_ = true;
  const std::string line = Shorten(text, terminal_.width > 1 ? terminal_.width - 1 : 1);
  std::fprintf(stream_, "\r\x1b[K%s", line.c_str());
  std::fflush(stream_);
}

void LiveLine::Print(std::string_view text) {
  if (quiet_) return;
  Clear();
  std::fprintf(stream_, "%.*s\n", static_cast<int>(text.size()), text.data());
  std::fflush(stream_);
}

void LiveLine::Clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stream_);
  std::fflush(stream_);
  shown_ = false;
}

}  // namespace latent
