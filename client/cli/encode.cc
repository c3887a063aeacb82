#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/answer.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/projection.h"
#include "client/cli/row_source.h"
#include "client/cli/table_file.h"
#include "client/cli/verb.h"
#include "client/encode_stream.h"
#include "client/render/text.h"
#include "core/base/status.h"
#include "core/picture/plots.h"
#include "core/picture/png.h"

namespace latent::cli {
namespace {

struct EncodeFlags {
  ModelFlags model;
  RowFlags rows;
  OutputFlags output;
  std::optional<std::uint32_t> top_k;
  std::optional<float> threshold;
  bool include_sigma = false;
  std::optional<std::uint64_t> seed;
  std::string label_names;
  bool vectors = false;  // in place of indices
  bool indices = false;  // what is decoded
};

// Codes as they came: dense, or entries of rows.
struct Codes {
  Matrix dense, sigma;
  std::vector<std::int32_t> labels;  // of a dataset's rows, for a picture
  bool sparse = false;
  std::size_t rows = 0, columns = 0;
  struct Entry {
    std::size_t row;
    std::uint32_t index;
    float value;
  };
  std::vector<Entry> entries;
};

absl::Status AppendSparse(const v1::SparseRows& rows, Codes* codes) {
  codes->sparse = true;
  codes->columns = rows.columns();
  const int count = rows.row_offsets_size() - 1;
  for (int r = 0; r < count; ++r) {
    const std::uint32_t end = rows.row_offsets(r + 1);
    if (end > static_cast<std::uint32_t>(rows.indices_size()) ||
        rows.indices_size() != rows.values_size()) {
      return absl::InternalError("the server sent sparse rows whose offsets do not fit");
    }
    for (std::uint32_t i = rows.row_offsets(r); i < end; ++i) {
      const int at = static_cast<int>(i);
      codes->entries.push_back({codes->rows, rows.indices(at), rows.values(at)});
    }
    ++codes->rows;
  }
  return absl::OkStatus();
}

// Of Encode or of StreamEncode.
template <typename Response>
absl::Status AppendCodes(const Response& response, Codes* codes) {
  codes->labels.insert(codes->labels.end(), response.labels().begin(), response.labels().end());
  if (response.codes().has_sparse()) return AppendSparse(response.codes().sparse(), codes);
  LATENT_RETURN_IF_ERROR(codes->dense.Append(response.codes().dense()));
  if (response.has_sigma()) LATENT_RETURN_IF_ERROR(codes->sigma.Append(response.sigma()));
  codes->rows = codes->dense.rows();
  codes->columns = codes->dense.columns;
  return absl::OkStatus();
}

// A picture shows places.
bool WantsVectors(const EncodeFlags& flags) { return flags.vectors || !flags.output.image.empty(); }

// What EncodeRequest and StreamOutputs have in common.
template <typename Message>
void SetOutputs(const EncodeFlags& flags, Message* message) {
  message->set_include_sigma(flags.include_sigma);
  message->set_include_labels(!flags.output.image.empty());
  if (flags.top_k) message->mutable_sparsify()->set_top_k(*flags.top_k);
  if (flags.threshold) message->mutable_sparsify()->set_threshold(*flags.threshold);
  if (WantsVectors(flags)) message->set_format(v1::DTYPE_FLOAT32);
}

absl::StatusOr<Codes> EncodeBulk(Context& context, const EncodeFlags& flags,
                                 const RowSource& source, Target* target) {
  EncodeStreamOptions options;
  options.model = target->selector();
  SetOutputs(flags, &options.outputs);
  if (context.timeout_seconds) options.timeout = context.Call().timeout;
  options.stop = context.stop;
  const std::size_t step = source.rows_per_request();
  const auto message_of = [&](std::uint64_t index, v1::StreamEncodeRequest* message) {
    const std::size_t first = index * step;
    if (first >= source.rows()) return false;
    *message->mutable_rows() = source.Slice(first, std::min(step, source.rows() - first));
    source.AddLabels(first, message);
    if (flags.seed) message->set_seed(*flags.seed + first);
    return true;
  };
  LiveLine line = context.Progress();
  Codes codes;
  LATENT_RETURN_IF_ERROR(EncodeStream(context.client(), options, message_of,
                                      [&](const v1::StreamEncodeResponse& reply) {
                                        target->Answered(reply.answered_by());
                                        source.ReportProgress(line, "encoding", codes.rows);
                                        return AppendCodes(reply, &codes);
                                      }));
  return codes;
}

absl::StatusOr<Codes> Encode(Context& context, const EncodeFlags& flags, const RowSource& source,
                             Target* target) {
  if (source.rows() > source.rows_per_request()) return EncodeBulk(context, flags, source, target);
  Codes codes;
  LATENT_RETURN_IF_ERROR(source.ForEachRequest(
      context, "encoding", [&](std::size_t first, v1::Rows rows) -> absl::Status {
        v1::EncodeRequest request;
        *request.mutable_model() = target->selector();
        *request.mutable_rows() = std::move(rows);
        source.AddLabels(first, &request);
        SetOutputs(flags, &request);
        if (flags.seed) request.set_seed(*flags.seed + first);
        LATENT_ASSIGN_OR_RETURN(const auto response,
                                context.client().Encode(std::move(request), context.Call()));
        target->Answered(response.answered_by());
        return AppendCodes(response, &codes);
      }));
  return codes;
}

// Codes and their standard deviations side by side.
Matrix WithSigma(const Codes& codes) {
  Matrix both{.columns = 2 * codes.columns, .cells = {}};
  for (std::size_t r = 0; r < codes.rows; ++r) {
    for (const Matrix* part : {&codes.dense, &codes.sigma}) {
      both.cells.insert(both.cells.end(), part->row(r).begin(), part->row(r).end());
    }
  }
  return both;
}

Answer SparseAnswer(const Codes& codes) {
  Answer answer;
  answer.headers = {"row", "index", "value"};
  answer.rows = codes.entries.size();
  answer.row = [&codes](std::size_t r) -> std::vector<std::string> {
    const Codes::Entry& entry = codes.entries[r];
    return {absl::StrCat(entry.row), absl::StrCat(entry.index), FormatFloat(entry.value)};
  };
  return answer;
}

absl::Status DrawCodes(const EncodeFlags& flags, const Codes& codes, const RowSource& source,
                       const Target& target) {
  if (codes.sparse) {
    return absl::InvalidArgumentError("--image: draws dense codes; leave --sparsify-* away");
  }
  const Plane plane = ProjectToPlane(codes.dense);
  ScatterPlot plot{.title = absl::StrCat(target.Name(), ": codes of ", source.description()),
                   .x_label = plane.x_label,
                   .y_label = plane.y_label};
  plot.x = plane.x;
  plot.y = plane.y;
  plot.labels = source.labels().empty() ? codes.labels : source.labels();
  plot.label_names = source.label_names();
  if (!flags.label_names.empty()) plot.label_names = absl::StrSplit(flags.label_names, ',');
  LATENT_ASSIGN_OR_RETURN(const Canvas canvas, DrawScatter(plot));
  return WritePng(canvas, flags.output.image);
}

absl::Status RunEncode(Context& context, const EncodeFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source,
                          RowSource::Open(context, flags.rows, flags.model));
  Target target(flags.model);
  LATENT_ASSIGN_OR_RETURN(const Codes codes, Encode(context, flags, source, &target));
  Summary summary(target);
  summary.Add("rows", std::uint64_t{codes.rows});
  summary.Add("columns", std::uint64_t{codes.columns});
  if (codes.sparse) {
    const double cells = static_cast<double>(codes.rows) * static_cast<double>(codes.columns);
    summary.Add("entries", std::uint64_t{codes.entries.size()});
    summary.Add("density", static_cast<double>(codes.entries.size()) / cells);
  }
  if (!flags.output.image.empty()) {
    LATENT_RETURN_IF_ERROR(DrawCodes(flags, codes, source, target));
  }
  if (codes.sparse) return Emit(context, flags.output, SparseAnswer(codes), summary);
  if (codes.sigma.rows() == 0) {
    return Emit(context, flags.output, MatrixAnswer(codes.dense, "code_"), summary);
  }
  const Matrix both = WithSigma(codes);
  Answer answer = MatrixAnswer(both, "code_");
  for (std::size_t c = 0; c < codes.columns; ++c) {
    answer.headers[codes.columns + c] = absl::StrCat("sigma_", c);
  }
  return Emit(context, flags.output, answer, summary);
}

// The same numbers, said to be indices.
void MakeIndices(v1::DenseRows& codes) {
  std::vector<float> values(codes.data().size() / sizeof(float));
  std::memcpy(values.data(), codes.data().data(), values.size() * sizeof(float));
  codes.clear_data();
  codes.mutable_values()->Assign(values.begin(), values.end());
  codes.set_dtype(v1::DTYPE_UINT16);
}

absl::Status RunDecode(Context& context, const EncodeFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source,
                          RowSource::OpenCodes(context, flags.rows, flags.model));
  Target target(flags.model);
  Matrix rows;
  LATENT_RETURN_IF_ERROR(source.ForEachRequest(
      context, "decoding", [&](std::size_t first, v1::Rows codes) -> absl::Status {
        v1::DecodeRequest request;
        *request.mutable_model() = target.selector();
        source.AddLabels(first, &request);
        *request.mutable_codes() = std::move(codes);
        if (flags.indices) MakeIndices(*request.mutable_codes()->mutable_dense());
        LATENT_ASSIGN_OR_RETURN(const auto response,
                                context.client().Decode(std::move(request), context.Call()));
        target.Answered(response.answered_by());
        return rows.Append(response.rows());
      }));
  Summary summary(target);
  summary.Add("rows", std::uint64_t{rows.rows()});
  summary.Add("columns", std::uint64_t{rows.columns});
  LATENT_ASSIGN_OR_RETURN(const Answer answer, RowsAnswer(context, target, rows));
  return Emit(context, flags.output, answer, summary);
}

}  // namespace

void AddEncode(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("encode", "Rows to codes");
  auto flags = std::make_shared<EncodeFlags>();
  AddModelOptions(*command, flags->model);
  AddRowOptions(*command, flags->rows);
  AddOutputOptions(*command, flags->output, "PNG file for a scatter of the codes");
  CLI::Option* top_k = command->add_option("--sparsify-top-k", flags->top_k,
                                           "Keep so many entries of greatest size a row");
  command
      ->add_option("--sparsify-threshold", flags->threshold, "Keep entries whose size is greater")
      ->excludes(top_k);
  command->add_flag("--include-sigma", flags->include_sigma,
                    "Standard deviations too (variational models)");
  command->add_option("--seed", flags->seed,
                      "Draw codes rather than take their mean (variational models)");
  command->add_flag("--vectors", flags->vectors,
                    "Codes of vector-quantised models as vectors rather than indices");
  command->add_option("--label-names", flags->label_names,
                      "Names of labels in the scatter: a,b,c (default: the dataset's)");
  command->footer(
      "Sparse codes are written as CSV lines row,index,value. A file of more rows than one "
      "request\n"
      "carries is sent in pieces over one stream, which goes on where it was if the server "
      "restarts;\n"
      "the piece that begins with row r then draws with seed + r.\n"
      "Examples:\n"
      "  latent encode --model faces --input faces.npy --output codes.npy\n"
      "  latent encode --model items --dataset d --sparsify-top-k 16 --output codes.csv\n"
      "  latent encode --model digits --input digits.csv.gz --label-column -1 \\\n"
      "    --value-scale 0.0625 --image scatter.png");
  OnCommand(*command, context, flags, RunEncode);
}

void AddDecode(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("decode", "Codes to rows");
  auto flags = std::make_shared<EncodeFlags>();
  AddModelOptions(*command, flags->model);
  command->add_option("--input", flags->rows.input, "File of codes: CSV or NPY")->required();
  AddLabelOptions(*command, flags->rows);
  command->add_flag("--indices", flags->indices,
                    "The file holds indices of a vector-quantised model, as encode writes them");
  AddOutputOptions(*command, flags->output, nullptr);
  command->footer("Example:\n  latent decode --model faces --input codes.npy --output faces.npy");
  OnCommand(*command, context, flags, RunDecode);
}

}  // namespace latent::cli
