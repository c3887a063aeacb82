#include "client/cli/answer.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/render/text.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

constexpr std::size_t kTableRows = 20, kTableColumns = 8;

std::string JsonText(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Version 1.0 of NumPy's format: magic, header padded to 64 bytes, cells.
std::string NpyHeader(const Matrix& matrix) {
  std::string header = absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (",
                                    matrix.rows(), ", ", matrix.columns, "), }");
  constexpr std::size_t kPreamble = 10;
  header.append(63 - (kPreamble + header.size()) % 64, ' ');
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  return start + header;
}

std::string CsvText(const Answer& answer) {
  const auto quoted = [](std::string* out, const std::string& cell) { *out += CsvCell(cell); };
  std::string text = absl::StrJoin(answer.headers, ",", quoted) + "\n";
  for (std::size_t r = 0; r < answer.rows; ++r) {
    absl::StrAppend(&text, absl::StrJoin(answer.row(r), ",", quoted), "\n");
  }
  return text;
}

// Cells that are no numbers stand in quotes.
std::string JsonRows(const Answer& answer) {
  std::string text = "[";
  for (std::size_t r = 0; r < answer.rows; ++r) {
    std::vector<std::string> cells = answer.row(r);
    for (std::string& cell : cells) {
      double value = 0;
      if (!absl::SimpleAtod(cell, &value) || !std::isfinite(value)) cell = JsonText(cell);
    }
    absl::StrAppend(&text, r == 0 ? "\n" : ",\n", "    [", absl::StrJoin(cells, ", "), "]");
  }
  return text + "\n  ]";
}

// The beginning of the answer, for people.
Table Excerpt(const Answer& answer) {
  const bool cut = answer.headers.size() > kTableColumns;
  std::vector<std::string> headers = answer.headers;
  if (cut) headers.resize(kTableColumns);
  const bool numbered = headers[0] == "row";  // by the answer itself
  if (!numbered) headers.insert(headers.begin(), "row");
  if (cut) headers.push_back("...");
  Table table(headers);
  for (std::size_t r = 0; r < std::min(answer.rows, kTableRows); ++r) {
    std::vector<std::string> cells = answer.row(r);
    cells.resize(std::min(cells.size(), kTableColumns));
    for (std::string& cell : cells) {
      float value = 0;
      if (absl::StrContains(cell, '.') && absl::SimpleAtof(cell, &value)) {
        cell = FormatNumber(value);
      }
    }
    if (!numbered) cells.insert(cells.begin(), absl::StrCat(r));
    if (cut) cells.push_back("");
    table.AddRow({cells.begin(), cells.end()});
  }
  return table;
}

absl::Status WriteFile(const std::string& text, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (written && closed) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

}  // namespace

void AddModelOptions(CLI::App& command, ModelFlags& flags) {
  command.add_option("--model", flags.model, "Model that answers")->required();
  CLI::Option* version = command.add_option(
      "--version", flags.version, "Its version (default: alias production, else the newest)");
  command.add_option("--alias", flags.alias, "The version that this alias names")
      ->excludes(version);
  command.add_option("--expected-latent-space", flags.latent_space,
                     "Refuse to answer from another latent space than this id's");
  command.add_flag("--timing", flags.timing,
                   "Say how long requests waited and were computed, microseconds each on average, "
                   "and how many rows shared a pass");
}

void AddOutputOptions(CLI::App& command, OutputFlags& flags, const char* image) {
  const auto ending = [](const std::string& path) -> std::string {
    const bool known =
        absl::EndsWithIgnoreCase(path, ".csv") || absl::EndsWithIgnoreCase(path, ".npy");
    return known ? "" : absl::StrCat("expected a name that ends in .csv or .npy, got ", path);
  };
  command.add_option("--output", flags.output, "File for the answer: .csv or .npy")->check(ending);
  if (image != nullptr) command.add_option("--image", flags.image, image);
}

Target::Target(const ModelFlags& flags) {
  selector_.set_model(flags.model);
  if (flags.version > 0) selector_.set_version(flags.version);
  if (!flags.alias.empty()) selector_.set_alias(flags.alias);
  selector_.set_expected_latent_space_id(flags.latent_space);
  selector_.set_include_timing(flags.timing);
}

void Target::Answered(const v1::AnsweredBy& by) {
  answered_by_ = by;
  selector_.set_version(by.version());
  if (!by.has_timing()) return;
  ++times_.answers;
  times_.queue_us += by.timing().queue_us();
  times_.compute_us += by.timing().compute_us();
  times_.batch_rows += by.timing().batch_rows();
}

std::string Target::Name() const {
  return absl::StrCat(selector_.model(), " version ", answered_by_.version());
}

Summary::Summary(const Target& target) {
  Add("model", target.selector().model());
  Add("version", std::uint64_t{target.answered_by().version()});
  Add("latent_space_id", target.answered_by().latent_space_id());
  const Target::Times& times = target.times();
  if (times.answers == 0) return;
  const auto answers = static_cast<double>(times.answers);
  Add("queue_us", times.queue_us / answers);
  Add("compute_us", times.compute_us / answers);
  Add("batch_rows", static_cast<double>(times.batch_rows) / answers);
}

void Summary::Add(const std::string& name, std::uint64_t value) {
  entries_.push_back({name, absl::StrCat(value), absl::StrCat(value)});
}

void Summary::Add(const std::string& name, double value) {
  entries_.push_back({name, FormatNumber(value, 6),
                      std::isfinite(value) ? FormatNumber(value, 17) : JsonText("NaN")});
}

void Summary::Add(const std::string& name, const std::string& value) {
  entries_.push_back({name, value, JsonText(value)});
}

void Summary::AddFlag(const std::string& name, bool value) {
  entries_.push_back({name, value ? "yes" : "no", value ? "true" : "false"});
}

std::string Summary::Json() const {
  std::string json = "{";
  for (const Entry& entry : entries_) {
    absl::StrAppend(&json, json.size() == 1 ? "\n  " : ",\n  ", JsonText(entry.name), ": ",
                    entry.json);
  }
  return json + "\n}\n";
}

Table Summary::ToTable() const {
  Table table({"field", "value"});
  for (const Entry& entry : entries_) table.AddRow({entry.name, entry.text});
  return table;
}

Answer MatrixAnswer(const Matrix& matrix, const std::string& column_prefix) {
  Answer answer;
  answer.rows = matrix.rows();
  answer.matrix = &matrix;
  for (std::size_t c = 0; c < matrix.columns; ++c) {
    answer.headers.push_back(absl::StrCat(column_prefix, c));
  }
  answer.row = [&matrix](std::size_t r) {
    std::vector<std::string> cells;
    for (const float cell : matrix.row(r)) cells.push_back(FormatFloat(cell));
    return cells;
  };
  return answer;
}

absl::Status WriteAnswer(const Answer& answer, const std::string& path) {
  if (absl::EndsWithIgnoreCase(path, ".csv")) return WriteFile(CsvText(answer), path);
  if (!absl::EndsWithIgnoreCase(path, ".npy") || answer.matrix == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("--output: expected a name that ends in .csv",
                                                   answer.matrix == nullptr ? "" : " or .npy",
                                                   ", got \"", path, "\""));
  }
  std::string text = NpyHeader(*answer.matrix);
  const std::vector<float>& cells = answer.matrix->cells;
  text.append(reinterpret_cast<const char*>(cells.data()), cells.size() * sizeof(float));
  return WriteFile(text, path);
}

absl::Status Emit(const Context& context, const OutputFlags& flags, const Answer& answer,
                  Summary summary) {
  if (!flags.output.empty()) {
    LATENT_RETURN_IF_ERROR(WriteAnswer(answer, flags.output));
    summary.Add("output", flags.output);
  }
  if (!flags.image.empty()) summary.Add("image", flags.image);
  if (!flags.output.empty() || !flags.image.empty()) {
    context.Print(summary.ToTable(), summary.Json());
    return absl::OkStatus();
  }
  switch (context.format) {
    case OutputFormat::kCsv:
      WriteOut(CsvText(answer));
      break;
    case OutputFormat::kJson: {
      std::string json = summary.Json();
      json.resize(json.size() - 3);  // "\n}\n"
      WriteOut(absl::StrCat(json, ",\n  \"headers\": ", nlohmann::json(answer.headers).dump(),
                            ",\n  \"data\": ", JsonRows(answer), "\n}\n"));
      return absl::OkStatus();
    }
    case OutputFormat::kTable:
      WriteOut(Excerpt(answer).ToText(TerminalOf(stdout).color));
      if (answer.rows > kTableRows || answer.headers.size() > kTableColumns) {
        context.Note(absl::StrCat("the beginning of ", answer.rows, " rows of ",
                                  answer.headers.size(),
                                  " cells; --output FILE or --output-format csv give all"));
      }
      break;
  }
  if (!context.quiet) std::fputs(summary.ToTable().ToText().c_str(), stderr);
  return absl::OkStatus();
}

}  // namespace latent::cli
