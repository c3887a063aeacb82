#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/csv_lines.h"
#include "core/data/formats/readers.h"
#include "core/data/formats/sparse_table.h"
#include "core/data/ids.h"
#include "core/data/utf8.h"

namespace latent {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

bool BeginsWith(std::string_view text, std::string_view word) {
  return absl::StartsWithIgnoreCase({text.data(), text.size()}, {word.data(), word.size()});
}

class PairsParser {
 public:
  PairsParser(std::unique_ptr<ByteSource> bytes, const ReadOptions& options)
      : options_(options),
        lines_(std::move(bytes), options.name, DelimiterOf(options.csv, options.name)) {}

  absl::StatusOr<std::unique_ptr<RowReader>> Parse();

 private:
  struct Entry {
    std::uint32_t user = 0;
    std::uint32_t item = 0;
    float weight = 1;
  };

  absl::Status SettleColumns();
  absl::StatusOr<std::uint32_t> FindColumn(const std::string& wanted, bool* by_name) const;
  bool LooksLikeHeader() const;
  absl::Status ParseLine();
  absl::StatusOr<std::string_view> Id(std::uint32_t column, std::string_view what) const;
  absl::StatusOr<std::unique_ptr<RowReader>> Finish();
  absl::Status Bad(std::uint32_t column, std::string_view what) const {
    return BadCell(options_.name, row_, column + 1,
                   absl::StrCat(std::string(what), " (line ", lines_.number(), ")"));
  }

  const ReadOptions& options_;
  CsvLines lines_;
  std::size_t width_ = 0;  // cells a line
  std::uint32_t user_ = 0, item_ = 1, weight_ = kNone;
  bool has_header_ = false;
  std::uint64_t row_ = 0;
  IdTable users_, items_;
  std::vector<Entry> entries_;
};

absl::StatusOr<std::unique_ptr<RowReader>> PairsParser::Parse() {
  LATENT_ASSIGN_OR_RETURN(bool more, lines_.Next());
  if (!more) return BadFile(options_.name, "holds no pairs");
  LATENT_RETURN_IF_ERROR(SettleColumns());
  for (bool skip = has_header_; more;) {
    if (!std::exchange(skip, false)) LATENT_RETURN_IF_ERROR(ParseLine());
    LATENT_ASSIGN_OR_RETURN(more, lines_.Next());
  }
  return Finish();
}

absl::StatusOr<std::uint32_t> PairsParser::FindColumn(const std::string& wanted,
                                                      bool* by_name) const {
  const auto& cells = lines_.cells();
  std::int64_t index = 0;
  if (absl::SimpleAtoi(wanted, &index)) {
    if (index >= 0 && index < static_cast<std::int64_t>(width_)) {
      return static_cast<std::uint32_t>(index);
    }
  } else if (options_.csv.header.value_or(true)) {
    const auto named = std::find(cells.begin(), cells.end(), wanted);
    *by_name = true;
    if (named != cells.end()) return static_cast<std::uint32_t>(named - cells.begin());
  }
  return BadFile(options_.name,
                 absl::StrCat("expected a column ", Shown(wanted), ", but the first line has ",
                              width_, " columns (0 to ", width_ - 1, ") and none so named"));
}

absl::Status PairsParser::SettleColumns() {
  width_ = lines_.cells().size();
  if (width_ < 2) {
    return BadFile(options_.name, absl::StrCat("expected at least a user and an item a line, got ",
                                               width_, " column; is the delimiter right?"));
  }
  const PairsOptions& pairs = options_.pairs;
  bool by_name = false;
  if (!pairs.user_column.empty()) {
    LATENT_ASSIGN_OR_RETURN(user_, FindColumn(pairs.user_column, &by_name));
  }
  if (!pairs.item_column.empty()) {
    LATENT_ASSIGN_OR_RETURN(item_, FindColumn(pairs.item_column, &by_name));
  }
  if (!pairs.weight_column.empty()) {
    LATENT_ASSIGN_OR_RETURN(weight_, FindColumn(pairs.weight_column, &by_name));
  } else if (pairs.user_column.empty() && pairs.item_column.empty() && width_ == 3) {
    weight_ = 2;
  } else if (pairs.user_column.empty() && pairs.item_column.empty() && width_ > 3) {
    return BadFile(options_.name, absl::StrCat("has ", width_, " columns; say which of them are ",
                                               "user, item and weight (pairs.user_column, ...)"));
  }
  if (user_ == item_ || user_ == weight_ || item_ == weight_) {
    return BadFile(options_.name, "expected different columns for user, item and weight");
  }
  has_header_ = options_.csv.header.value_or(by_name || LooksLikeHeader());
  return absl::OkStatus();
}

bool PairsParser::LooksLikeHeader() const {
  const auto& cells = lines_.cells();
  if (weight_ != kNone) return !ParseNumber(cells[weight_]);
  return BeginsWith(cells[user_], "user") && BeginsWith(cells[item_], "item");
}

absl::StatusOr<std::string_view> PairsParser::Id(std::uint32_t column,
                                                 std::string_view what) const {
  const std::string_view id = lines_.cells()[column];
  if (!id.empty() && id.size() <= kMaxIdBytes && IsUtf8(id)) return id;
  return Bad(column, absl::StrCat("expected ", std::string(what), " of 1 to ", kMaxIdBytes,
                                  " bytes of UTF-8, got ", Shown(id)));
}

absl::Status PairsParser::ParseLine() {
  ++row_;
  const auto& cells = lines_.cells();
  if (cells.size() != width_) {
    return BadFile(options_.name, absl::StrCat("row ", row_, ": expected ", width_,
                                               " cells as in the first line, got ", cells.size(),
                                               " (line ", lines_.number(), ")"));
  }
  Entry entry;
  if (weight_ != kNone) {
    const std::optional<double> weight = ParseNumber(cells[weight_]);
    if (!weight) {
      return Bad(weight_,
                 absl::StrCat("expected a number as the weight, got ", Shown(cells[weight_])));
    }
    LATENT_RETURN_IF_ERROR(CheckCell(*weight, options_.name, row_, weight_ + 1));
    entry.weight = static_cast<float>(*weight);
  }
  LATENT_ASSIGN_OR_RETURN(const std::string_view user, Id(user_, "a user"));
  LATENT_ASSIGN_OR_RETURN(const std::string_view item, Id(item_, "an item"));
  if (options_.pairs.binarise_at) {
    if (entry.weight < *options_.pairs.binarise_at) return absl::OkStatus();
    entry.weight = 1;
  }
  entry.user = users_.Number(user);
  entry.item = items_.Number(item);
  if (items_.ids().size() > kMaxColumns) {
    return Bad(item_, absl::StrCat("the file has more than ", kMaxColumns, " items, the limit"));
  }
  if (entries_.size() == kMaxSparseEntries) {
    return Bad(item_, absl::StrCat("the file has more than ", kMaxSparseEntries, " pairs"));
  }
  entries_.push_back(entry);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RowReader>> PairsParser::Finish() {
  if (entries_.empty()) {
    return BadFile(options_.name,
                   row_ == 0 ? "holds no pairs" : "has no pair that reaches pairs.binarise_at");
  }
  const std::vector<std::uint32_t> user_places = users_.Sort();
  const std::vector<std::uint32_t> item_places = items_.Sort();
  for (Entry& entry : entries_) {
    entry.user = user_places[entry.user];
    entry.item = item_places[entry.item];
  }
  // Equal pairs stay in the file's order, so that their sum does not depend on the sort.
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.user != b.user ? a.user < b.user : a.item < b.item;
  });
  const bool weighs = weight_ != kNone && !options_.pairs.binarise_at;
  SparseTable table;
  table.row_ends.resize(users_.ids().size());
  table.ids = users_.ids();
  for (std::size_t i = 0; i < entries_.size();) {
    const Entry first = entries_[i];
    double weight = 0;
    for (; i < entries_.size() && entries_[i].user == first.user && entries_[i].item == first.item;
         ++i) {
      weight = weighs ? weight + static_cast<double>(entries_[i].weight) : 1;
    }
    if (std::abs(weight) > static_cast<double>(std::numeric_limits<float>::max())) {
      return BadFile(
          options_.name,
          absl::StrCat("the weights of user ", Shown(users_.ids()[first.user]), " and item ",
                       Shown(items_.ids()[first.item]), " add up to more than a float32 holds"));
    }
    table.columns.push_back(first.item);
    table.values.push_back(static_cast<float>(weight));
    table.row_ends[first.user] = table.columns.size();
  }
  RowsHeader header;
  header.columns = static_cast<std::uint32_t>(items_.ids().size());
  header.row_shape = {header.columns};
  header.column_names = items_.ids();
  return ReadTable(std::move(header), std::move(table));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> OpenPairs(std::unique_ptr<ByteSource> bytes,
                                                     const ReadOptions& options) {
  return PairsParser(std::move(bytes), options).Parse();
}

}  // namespace latent
