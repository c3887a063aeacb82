// Requests and datasets for the tests of core/train.
#ifndef LATENT_TESTS_UNIT_TRAIN_PLAN_FIXTURE_H_
#define LATENT_TESTS_UNIT_TRAIN_PLAN_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/data/dataset.h"
#include "core/train/plan.h"
#include "google/protobuf/text_format.h"

namespace latent {

// 8 x 8 images in [0, 1], as the digits are.
inline DatasetInfo DigitsInfo() {
  DatasetInfo info;
  info.name = "digits";
  info.content_hash = std::string(64, 'a');
  info.columns = 64;
  info.row_shape = {8, 8, 1};
  info.value_scale = 1.0 / 16;
  info.part_rows = {0, 1455, 162, 180};
  info.max = info.train_max = 1;
  info.has_labels = true;
  info.part_labels.fill({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  return info;
}

// A table of two numbers and, between them, a category of three, in which cells are missing.
inline DatasetInfo TableInfo() {
  DatasetInfo info;
  info.name = "table";
  info.content_hash = std::string(64, 'b');
  info.columns = 5;
  info.row_shape = {5};
  info.part_rows = {0, 400, 50, 50};
  info.min = info.train_min = 0;
  info.max = info.train_max = 1;
  info.may_miss = true;
  std::uint32_t first = 0;
  for (const std::uint32_t count : {1u, 3u, 1u}) {
    v1::ColumnGroup& group = info.column_groups.emplace_back();
    group.set_name(absl::StrCat("g", first));
    group.set_kind(count > 1 ? v1::COLUMN_KIND_CATEGORICAL : v1::COLUMN_KIND_NUMERIC);
    group.set_first(first);
    group.set_count(count);
    for (std::uint32_t i = 0; count > 1 && i < count; ++i) {
      group.add_categories(std::string(1, static_cast<char>('a' + i)));
    }
    first += count;
  }
  return info;
}

// A valid request with `text` (text format of TrainJobSpec) merged over it.
inline v1::TrainJobSpec Request(const std::string& text) {
  v1::TrainJobSpec request;
  request.set_model("m");
  request.set_dataset("digits");
  v1::TrainJobSpec over;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &over)) << text;
  request.MergeFrom(over);
  return request;
}

inline absl::StatusOr<v1::TrainingPlan> ResolveText(const std::string& text,
                                                    const DatasetInfo& info = DigitsInfo()) {
  return Resolve(Request(text), info, {.default_threads = 2});
}

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_TRAIN_PLAN_FIXTURE_H_
