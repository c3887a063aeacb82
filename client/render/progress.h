// Progress on stderr: one line that renews itself on a terminal, plain lines elsewhere. The line's
// text is made by pure functions; a LiveLine belongs to one thread.
#ifndef LATENT_CLIENT_RENDER_PROGRESS_H_
#define LATENT_CLIENT_RENDER_PROGRESS_H_

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "latent/v1/training_service.pb.h"

namespace latent {

// "[#####-----]" or its block-character twin, `width` columns between the brackets; `share` is
// clipped to [0, 1].
std::string Bar(double share, int width, bool unicode);

// The last `width` values as block characters from the lowest to the highest of them; values that
// are not finite are left out. Empty without `unicode`: there is no plain twin.
std::string Sparkline(const std::vector<double>& values, std::size_t width, bool unicode);

// What a watched job's line shows, taken from its events.
struct JobLine {
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  v1::JobPhase phase = v1::JOB_PHASE_UNSPECIFIED;
  v1::TrainProgress progress;
  std::vector<double> losses;  // one an epoch: validation if there is one, else training

  void Add(const v1::JobEvent& event);
  // At most `width` columns.
  std::string Text(std::size_t width, bool unicode) const;
  // The same without bar and sparkline, for logs.
  std::string PlainText() const;
};

// "RUNNING" of JOB_STATE_RUNNING; likewise for phases.
std::string ShortName(v1::JobState state);
std::string ShortName(v1::JobPhase phase);

// How much a terminal can show.
struct Terminal {
  bool live = false;     // lines can be renewed
  bool unicode = false;  // block characters arrive
  bool color = false;
  std::size_t width = 80;
};
// What is known of stderr (or of another stream) and the environment: TERM, NO_COLOR, locale.
Terminal TerminalOf(std::FILE* stream);

class LiveLine {
 public:
  // Writes to `stream`, which must outlive it; nothing at all where `quiet`.
  LiveLine(std::FILE* stream, Terminal terminal, bool quiet);
  ~LiveLine();
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  const Terminal& terminal() const { return terminal_; }
  // Renews the line, at most ten times a second unless `now`; nothing where lines cannot be
  // renewed.
  void Update(std::string_view text, bool now = false);
  // A line that stays, above the live one.
  void Print(std::string_view text);
  // Removes the live line.
  void Clear();

 private:
  std::FILE* const stream_;
  const Terminal terminal_;
  const bool quiet_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace latent

#endif  // LATENT_CLIENT_RENDER_PROGRESS_H_
