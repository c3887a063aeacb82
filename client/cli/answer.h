// What inference commands share: which model is asked, and where its answer goes. Values; one
// thread at a time.
#ifndef LATENT_CLIENT_CLI_ANSWER_H_
#define LATENT_CLIENT_CLI_ANSWER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "client/cli/matrix.h"
#include "core/picture/canvas.h"
#include "latent/v1/rows.pb.h"

namespace CLI {
class App;
}

namespace latent::cli {

struct ModelFlags {
  std::string model, alias, latent_space;
  std::uint64_t version = 0;
  bool timing = false;
};
void AddModelOptions(CLI::App& command, ModelFlags& flags);

struct OutputFlags {
  std::string output, image;
};
// `image` says what the picture shows; null for commands without one.
void AddOutputOptions(CLI::App& command, OutputFlags& flags, const char* image);

// The model of a command that may send several requests: the version that answers the first one
// answers all.
class Target {
 public:
  explicit Target(const ModelFlags& flags);
  const v1::ModelSelector& selector() const { return selector_; }
  const v1::AnsweredBy& answered_by() const { return answered_by_; }
  void Answered(const v1::AnsweredBy& by);
  // What --timing wants to know, over all answers.
  struct Times {
    std::size_t answers = 0;
    double queue_us = 0, compute_us = 0;  // sums
    std::uint64_t batch_rows = 0;         // sum
  };
  const Times& times() const { return times_; }
  // "faces version 3".
  std::string Name() const;

 private:
  v1::ModelSelector selector_;
  v1::AnsweredBy answered_by_;
  Times times_;
};

// What is said of an answer beside its rows: who answered, how many, how good.
class Summary {
 public:
  explicit Summary(const Target& target);
  void Add(const std::string& name, std::uint64_t value);
  void Add(const std::string& name, double value);
  void Add(const std::string& name, const std::string& value);
  void AddFlag(const std::string& name, bool value);
  std::string Json() const;
  Table ToTable() const;

 private:
  struct Entry {
    std::string name, text, json;
  };
  std::vector<Entry> entries_;
};

// An answer of one line a row, in the forms that the user may want.
struct Answer {
  std::vector<std::string> headers;
  std::size_t rows = 0;
  // The cells of row r, exact.
  std::function<std::vector<std::string>(std::size_t r)> row;
  // The cells as an array, for NPY; null if they are no numbers of one kind.
  const Matrix* matrix = nullptr;
};
Answer MatrixAnswer(const Matrix& matrix, const std::string& column_prefix);

// Writes the answer to --output (CSV, or NPY by its ending) and the summary to stdout; without
// --output and --image the answer goes to stdout and the summary to stderr.
absl::Status Emit(const Context& context, const OutputFlags& flags, const Answer& answer,
                  Summary summary);

// CSV or NPY by the ending of `path`. INVALID_ARGUMENT for another ending.
absl::Status WriteAnswer(const Answer& answer, const std::string& path);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_ANSWER_H_
