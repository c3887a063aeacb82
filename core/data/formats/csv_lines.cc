#include "core/data/formats/csv_lines.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/readers.h"

namespace latent {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }

std::string_view Trim(std::string_view text, char delimiter) {
  const auto blank = [delimiter](char c) { return (c == ' ' || c == '\t') && c != delimiter; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

char GuessDelimiter(std::string_view line) {
  char other = '\0';
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == ',') return ',';
    if (other == '\0' && (c == ';' || c == '\t')) other = c;
  }
  return other == '\0' ? ',' : other;
}

}  // namespace

CsvLines::CsvLines(std::unique_ptr<ByteSource> bytes, std::string name, char delimiter)
    : bytes_(std::move(bytes)), name_(std::move(name)), delimiter_(delimiter), buffer_(64 << 10) {}

absl::StatusOr<bool> CsvLines::Next() {
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, ReadLine());
    if (!more) return false;
    if (line_.find_first_not_of(" \t") != std::string::npos) break;
  }
  if (delimiter_ == '\0') delimiter_ = GuessDelimiter(line_);
  LATENT_RETURN_IF_ERROR(Split());
  return true;
}

absl::StatusOr<bool> CsvLines::ReadLine() {
  line_.clear();
  ++number_;
  bool ended = false;
  while (!ended) {
    if (unread_.empty()) {
      LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes_->Read(buffer_));
      if (got == 0 && line_.empty()) return false;
      if (got == 0) break;
      unread_ = {buffer_.data(), got};
    }
    if (std::exchange(after_cr_, false) && unread_.front() == '\n') unread_.remove_prefix(1);
    const auto* const end = std::find_if(unread_.begin(), unread_.end(), IsLineEnd);
    line_.append(unread_.begin(), end);
    ended = end != unread_.end();
    after_cr_ = ended && *end == '\r';
    unread_.remove_prefix(static_cast<std::size_t>(end - unread_.begin()) + (ended ? 1 : 0));
    if (line_.size() > kMaxCsvLineBytes) {
      return BadFile(name_, absl::StrCat("line ", number_, " is longer than ", kMaxCsvLineBytes,
                                         " bytes, 32 for each of ", kMaxColumns,
                                         " columns, the most that are read; is this a CSV file?"));
    }
  }
  if (std::exchange(at_start_, false) && line_.starts_with(kByteOrderMark)) {
    line_.erase(0, kByteOrderMark.size());
  }
  return true;
}

absl::Status CsvLines::Split() {
  cells_.clear();
  unquoted_.clear();
  std::string_view rest = line_;
  for (;;) {
    const auto start = rest.find_first_not_of(' ');
    if (delimiter_ != ' ' && start != std::string_view::npos && rest[start] == '"') {
      rest.remove_prefix(start);
    }
    if (!rest.empty() && rest.front() == '"') {
      LATENT_ASSIGN_OR_RETURN(const std::string_view cell, TakeQuoted(rest));
      cells_.push_back(cell);
    } else {
      const auto end = rest.find(delimiter_);
      cells_.push_back(Trim(rest.substr(0, end), delimiter_));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    }
    if (rest.empty()) return absl::OkStatus();
    rest.remove_prefix(1);  // the delimiter
  }
}

absl::StatusOr<std::string_view> CsvLines::TakeQuoted(std::string_view& rest) {
  std::string text;
  std::size_t at = 1;
  for (;; ++at) {
    if (at >= rest.size()) {
      return BadFile(name_, absl::StrCat("line ", number_, ", column ", cells_.size() + 1,
                                         ": the quote is not closed on its line"));
    }
    if (rest[at] != '"') {
      text.push_back(rest[at]);
    } else if (at + 1 < rest.size() && rest[at + 1] == '"') {
      text.push_back(rest[at++]);
    } else {
      break;
    }
  }
  rest = rest.substr(at + 1);
  const auto next = rest.find(delimiter_);
  if (!Trim(rest.substr(0, next), delimiter_).empty()) {
    return BadFile(name_, absl::StrCat("line ", number_, ", column ", cells_.size() + 1,
                                       ": expected a delimiter after the closing quote, got ",
                                       Shown(rest.substr(0, next))));
  }
  rest = next == std::string_view::npos ? std::string_view() : rest.substr(next);
  unquoted_.push_back(std::move(text));
  return Trim(unquoted_.back(), delimiter_);
}

}  // namespace latent
