#include <zlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/answer.h"
#include "client/cli/code_file.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/row_source.h"
#include "client/cli/table_file.h"
#include "client/render/text.h"
#include "core/base/durable_file.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

constexpr std::uint64_t kMaxFileBytes = 4ull << 30;

struct CompressFlags {
  ModelFlags model;
  RowFlags rows;
  std::string format = "int8", output;
};

// Squared errors of rows, summed over the cells that have a value, and how many those are.
struct Losses {
  double float32 = 0, decoded = 0;
  std::uint64_t cells = 0;

  void AddDecoded(std::span<const float> rows, std::span<const float> back) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (std::isnan(rows[i])) continue;  // missing
      const double difference = static_cast<double>(rows[i]) - back[i];
      decoded += difference * difference;
      ++cells;
    }
  }
};

// Bytes that a file takes unpacked, and what gzip -6 makes of them.
struct GzipSizes {
  std::uint64_t raw = 0, packed = 0;
};
absl::StatusOr<GzipSizes> Gzip(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(path.c_str(), "rb"), gzclose);
  z_stream out = {};
  if (in == nullptr || deflateInit2(&out, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return absl::InternalError(absl::StrCat("cannot read ", path, " again"));
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> stream(&out, deflateEnd);
  GzipSizes sizes;
  std::vector<unsigned char> from(1 << 16), to(1 << 16);
  for (;;) {
    const int read = gzread(in.get(), from.data(), static_cast<unsigned>(from.size()));
    if (read < 0) return absl::DataLossError(absl::StrCat(path, " cannot be unpacked"));
    sizes.raw += static_cast<std::uint64_t>(read);
    out.next_in = from.data();
    out.avail_in = static_cast<unsigned>(read);
    do {
      out.next_out = to.data();
      out.avail_out = static_cast<unsigned>(to.size());
      deflate(&out, read == 0 ? Z_FINISH : Z_NO_FLUSH);
      sizes.packed += to.size() - out.avail_out;
    } while (out.avail_out == 0);
    if (read == 0) return sizes;
  }
}

absl::Status AppendPacked(const v1::EncodeResponse& encoded, CodeFile& file) {
  const v1::DenseRows& codes = encoded.codes().dense();
  if (codes.dtype() != file.format) {
    return absl::UnimplementedError(
        "the server does not know this format: it is older than this program");
  }
  file.columns = codes.columns();
  file.codes += codes.data();
  file.scale.assign(encoded.code_scale().begin(), encoded.code_scale().end());
  file.offset.assign(encoded.code_offset().begin(), encoded.code_offset().end());
  return absl::OkStatus();
}

// Encodes, decodes and reconstructs the rows from row `first` of the source on.
absl::Status CompressPiece(Context& context, Target& target, const RowSource& source,
                           std::size_t first, v1::Rows rows, CodeFile& file, Losses& losses) {
  v1::EncodeRequest encode;
  *encode.mutable_model() = target.selector();
  *encode.mutable_rows() = rows;
  source.AddLabels(first, &encode);
  encode.set_format(file.format);
  LATENT_ASSIGN_OR_RETURN(auto encoded, context.client().Encode(std::move(encode), context.Call()));
  target.Answered(encoded.answered_by());
  LATENT_RETURN_IF_ERROR(AppendPacked(encoded, file));

  v1::DecodeRequest decode;
  *decode.mutable_model() = target.selector();
  *decode.mutable_codes() = std::move(*encoded.mutable_codes());
  source.AddLabels(first, &decode);
  LATENT_ASSIGN_OR_RETURN(const auto decoded,
                          context.client().Decode(std::move(decode), context.Call()));
  Matrix back;
  LATENT_RETURN_IF_ERROR(back.Append(decoded.rows()));
  const std::span<const float> sent = source.cells()->Rows(first, source.piece_rows(first));
  if (back.cells.size() != sent.size()) {
    return absl::InternalError("the server sent another number of rows than was asked for");
  }
  losses.AddDecoded(sent, back.cells);

  v1::ReconstructRequest reconstruct;
  *reconstruct.mutable_model() = target.selector();
  *reconstruct.mutable_rows() = std::move(rows);
  source.AddLabels(first, &reconstruct);
  reconstruct.set_include_error(true);
  reconstruct.set_omit_reconstruction(true);
  LATENT_ASSIGN_OR_RETURN(const auto exact,
                          context.client().Reconstruct(std::move(reconstruct), context.Call()));
  for (const double error : exact.squared_error()) losses.float32 += error;
  return absl::OkStatus();
}

absl::Status RunCompress(Context& context, const CompressFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source,
                          RowSource::Open(context, flags.rows, flags.model));
  if (!source.cells()) {
    return absl::InvalidArgumentError("expected a file of rows: the error is measured against it");
  }
  Target target(flags.model);
  CodeFile file;
  v1::Dtype_Parse(absl::StrCat("DTYPE_", absl::AsciiStrToUpper(flags.format)), &file.format);
  Losses losses;
  LATENT_RETURN_IF_ERROR(source.ForEachRequest(
      context, "compressing", [&](std::size_t first, v1::Rows rows) -> absl::Status {
        return CompressPiece(context, target, source, first, std::move(rows), file, losses);
      }));
  file.model = target.answered_by().model();
  file.model_version = target.answered_by().version();
  file.latent_space_id = target.answered_by().latent_space_id();
  file.rows = source.rows();
  file.row_columns = static_cast<std::uint32_t>(source.cells()->columns);
  const std::string bytes = SerializeCodeFile(file);
  LATENT_RETURN_IF_ERROR(ReplaceFile(flags.output, bytes));

  LATENT_ASSIGN_OR_RETURN(GzipSizes gzip, Gzip(flags.rows.input));
  Summary summary(target);
  summary.Add("rows", file.rows);
  summary.Add("format", absl::AsciiStrToUpper(flags.format));
  summary.Add("bytes_per_row", std::uint64_t{file.bytes_per_row()});
  summary.Add("file_bytes", std::uint64_t{bytes.size()});
  summary.Add("raw_bytes", gzip.raw);
  const bool whole = flags.rows.offset == 0 && !flags.rows.count;
  if (whole) {
    summary.Add("ratio", static_cast<double>(gzip.raw) / static_cast<double>(bytes.size()));
    summary.Add("gzip_ratio", static_cast<double>(gzip.raw) / static_cast<double>(gzip.packed));
  }
  if (losses.cells > 0) {
    const auto cells = static_cast<double>(losses.cells);
    summary.Add("mse_per_element", losses.decoded / cells);
    summary.Add("float32_mse_per_element", losses.float32 / cells);
  }
  context.Print(summary.ToTable(), summary.Json());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::int32_t>> ReadLabelFile(const std::string& path,
                                                        std::uint64_t rows) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source, RowSource::OpenCodes(path));
  if (source.rows() != rows || source.cells()->columns != 1) {
    return absl::InvalidArgumentError(absl::StrCat("--labels: expected one column of ", rows,
                                                   " labels, got ", source.cells()->columns,
                                                   " columns of ", source.rows(), " rows"));
  }
  std::vector<std::int32_t> labels;
  for (const float cell : source.cells()->cells) {
    labels.push_back(static_cast<std::int32_t>(std::lround(cell)));
  }
  return labels;
}

absl::Status RunDecompress(Context& context, const CompressFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(flags.rows.input, kMaxFileBytes));
  absl::StatusOr<CodeFile> file = ParseCodeFile(bytes);
  if (!file.ok()) return Annotate(file.status(), flags.rows.input);
  ModelFlags model = flags.model;
  if (model.model.empty()) model.model = file->model;
  if (model.version == 0 && model.alias.empty()) model.version = file->model_version;
  model.latent_space = file->latent_space_id;
  Target target(model);
  std::vector<std::int32_t> own;
  if (!flags.rows.labels.empty()) {
    LATENT_ASSIGN_OR_RETURN(own, ReadLabelFile(flags.rows.labels, file->rows));
  }
  LATENT_ASSIGN_OR_RETURN(const RequestLabels labels,
                          RequestLabels::Make(context, target, flags.rows.label, std::move(own)));
  Matrix rows;
  const std::size_t step =
      std::clamp<std::size_t>((1u << 20) / std::max(file->columns, file->row_columns), 1, 1024);
  LiveLine line = context.Progress();
  for (std::uint64_t first = 0; first < file->rows; first += step) {
    v1::DecodeRequest request;
    *request.mutable_model() = target.selector();
    const std::size_t count = std::min<std::uint64_t>(step, file->rows - first);
    *request.mutable_codes()->mutable_dense() = file->Slice(first, count);
    labels.AddTo(first, count, &request);
    LATENT_ASSIGN_OR_RETURN(const auto response,
                            context.client().Decode(std::move(request), context.Call()));
    target.Answered(response.answered_by());
    LATENT_RETURN_IF_ERROR(rows.Append(response.rows()));
    line.Update(absl::StrCat("decompressing: ", FormatCount(rows.rows()), " of ",
                             FormatCount(file->rows), " rows"));
  }
  Summary summary(target);
  summary.Add("rows", std::uint64_t{rows.rows()});
  summary.Add("columns", std::uint64_t{rows.columns});
  OutputFlags output;
  output.output = flags.output;
  LATENT_ASSIGN_OR_RETURN(const Answer answer, RowsAnswer(context, target, rows));
  return Emit(context, output, answer, summary);
}

}  // namespace

void AddCompress(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("compress", "Keep a file of rows as codes");
  auto flags = std::make_shared<CompressFlags>();
  AddModelOptions(*command, flags->model);
  command->add_option("IN", flags->rows.input, "File of rows: CSV, NPY or IDX, also .gz")
      ->required();
  command->add_option("--output", flags->output, "File that the codes go to")->required();
  command
      ->add_option("--format", flags->format,
                   "int8 (default), float16, float32, or uint16: indices of vector-quantised codes")
      ->check(CLI::IsMember({"int8", "float16", "float32", "uint16"}));
  command->add_option("--value-scale", flags->rows.value_scale,
                      "Factor on the file's values, as when its dataset was uploaded");
  command->add_option("--label-column", flags->rows.label_column,
                      "CSV column that is a label and no cell (default: the one that the "
                      "dataset's were in, where the file has it)");
  AddLabelOptions(*command, flags->rows);
  command->footer(
      "What is lost is measured and printed: the error of rows decoded from the file, beside that\n"
      "of float32 codes and the ratio that gzip reaches without loss. Cells that are missing in a\n"
      "table do not count; they come back filled in, and ids do not come back.\n"
      "Example:\n"
      "  latent compress faces.npy --model faces --output faces.codes\n"
      "  latent decompress faces.codes --output again.npy");
  command->callback([&context, flags] {
    context.command = [&context, flags] { return RunCompress(context, *flags); };
  });
}

void AddDecompress(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("decompress", "Rows from a file of latent compress");
  auto flags = std::make_shared<CompressFlags>();
  command->add_option("IN", flags->rows.input, "File of latent compress")->required();
  command->add_option("--output", flags->output, "CSV or NPY file that the rows go to")->required();
  command->add_option("--model", flags->model.model, "Model (default: the one that made the file)");
  CLI::Option* version = command->add_option("--version", flags->model.version,
                                             "Version (default: the one that made the file)");
  command->add_option("--alias", flags->model.alias, "The version that an alias names")
      ->excludes(version);
  AddLabelOptions(*command, flags->rows);
  command->footer(
      "A version of another latent space is refused: its decoder would make other rows of the "
      "codes.\n"
      "Example:\n  latent decompress faces.codes --output faces.npy");
  command->callback([&context, flags] {
    context.command = [&context, flags] { return RunDecompress(context, *flags); };
  });
}

}  // namespace latent::cli
