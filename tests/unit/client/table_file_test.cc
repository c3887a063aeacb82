// CSV files of tables by a model's columns.
#include "client/cli/table_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace latent::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// height, a category of three, an id, a label.
v1::DatasetSchema PeopleSchema() {
  v1::DatasetSchema schema;
  schema.set_columns(4);
  std::uint32_t first = 0;
  const auto add = [&](const char* name, v1::ColumnKind kind, std::uint32_t count) {
    v1::ColumnGroup& group = *schema.add_column_groups();
    group.set_name(name);
    group.set_kind(kind);
    group.set_first(first);
    group.set_count(count);
    first += count;
    return &group;
  };
  add("who", v1::COLUMN_KIND_ID, 0);
  add("height", v1::COLUMN_KIND_NUMERIC, 1);
  v1::ColumnGroup* const town = add("town", v1::COLUMN_KIND_CATEGORICAL, 3);
  for (const char* text : {"Bonn", "New York", "Ulm"}) town->add_categories(text);
  add("grade", v1::COLUMN_KIND_LABEL, 0);
  return schema;
}

// Labels 0 to 3, two of which have names.
v1::Condition GradeCondition() {
  v1::Condition condition;
  for (const char* name : {"bad", "", "good", ""}) {
    v1::LabelClass& one = *condition.mutable_label()->add_classes();
    one.set_label(condition.label().classes_size() - 1);
    one.set_name(name);
  }
  return condition;
}

class TableFileTest : public testing::Test {
 protected:
  ~TableFileTest() override { std::filesystem::remove(path_); }
  absl::StatusOr<TableRows> Read(const std::string& text, const std::string& label_column = "") {
    std::ofstream(path_) << text;
    ReadOptions options;
    options.name = path_;
    options.csv.label_column = label_column;
    return ReadTable(path_, options, 1, PeopleSchema(), condition_, 1000);
  }
  std::string Refusal(const std::string& text) {
    const absl::Status status = Read(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  }
  v1::Condition condition_;  // of a model that knows no labels
  const std::string path_ =
      testing::TempDir() + "/latent_table_test_" + std::to_string(getpid()) + ".csv";
};

TEST_F(TableFileTest, FindsColumnsByTheirNamesInAnyOrder) {
  const auto table = Read("town,height,who,grade\nUlm,1.5,a,x\nNew York,2,b,y\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->cells.cells, ElementsAre(1.5f, 0, 0, 1, 2, 0, 1, 0));
  EXPECT_THAT(table->ids, ElementsAre("a", "b"));
}

TEST_F(TableFileTest, NeedsNeitherIdsNorLabels) {
  const auto table = Read("height,town\n1,Bonn\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->cells.cells, ElementsAre(1, 1, 0, 0));
  EXPECT_TRUE(table->ids.empty());
}

TEST_F(TableFileTest, TakesFilesWithoutHeaderByPlace) {
  for (const char* text : {"a,3,Ulm,x\n", "3,Ulm\n"}) {
    const auto table = Read(text);
    ASSERT_TRUE(table.ok()) << text << table.status();
    EXPECT_THAT(table->cells.cells, ElementsAre(3, 0, 0, 1)) << text;
  }
}

TEST_F(TableFileTest, MarksWhatIsMissing) {
  const auto table = Read("height,town\n,Bonn\n1,NA\n");
  ASSERT_TRUE(table.ok()) << table.status();
  const auto nan = testing::IsNan();
  EXPECT_THAT(table->cells.cells, ElementsAre(nan, 1, 0, 0, 1, nan, nan, nan));
}

TEST_F(TableFileTest, PassesOverTheLabelColumn) {
  const auto table = Read("height,town,class\n1,Bonn,z\n", "class");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->cells.cells, ElementsAre(1, 1, 0, 0));
}

TEST_F(TableFileTest, ReadsLabelsByTheModelsNamesWhereItKnowsLabels) {
  // Of a file that has some of them, in another order.
  const std::string text = "height,town,grade,class\n1,Bonn,good,1\n2,Ulm,bad,3\n";
  auto table = Read(text, "class");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->labels.empty());
  condition_ = GradeCondition();
  table = Read("height,town,grade\n1,Bonn,good\n2,Ulm,bad\n1,Ulm,3\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->labels, ElementsAre(2, 0, 3));
  EXPECT_THAT(table->cells.cells, ElementsAre(1, 1, 0, 0, 2, 0, 0, 1, 1, 0, 0, 1));
  for (const char* column : {"class", "-1", "3"}) {
    table = Read(text, column);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_THAT(table->labels, ElementsAre(1, 3)) << column;
    EXPECT_THAT(table->cells.cells, ElementsAre(1, 1, 0, 0, 2, 0, 0, 1)) << column;
  }
  table = Read("height,town\n1,Bonn\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->labels.empty());
}

TEST_F(TableFileTest, ReadsLabelsOfFilesWithoutHeaderByPlace) {
  condition_ = GradeCondition();
  for (const auto& [text, column] :
       std::vector<std::pair<const char*, const char*>>{{"a,4,Ulm,bad\n", ""},
                                                        {"a,4,Ulm,bad\n", "-1"},
                                                        {"a,4,Ulm,bad\n", "grade"},
                                                        {"4,Ulm,bad\n", "-1"},
                                                        {"bad,4,Ulm\n", "0"},
                                                        {"4,bad,Ulm\n", "1"}}) {
    const auto table = Read(text, column);
    ASSERT_TRUE(table.ok()) << text << table.status();
    EXPECT_THAT(table->labels, ElementsAre(0)) << text;
    EXPECT_THAT(table->cells.cells, ElementsAre(4, 0, 0, 1)) << text;
  }
  const auto without = Read("4,Ulm\n");
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_TRUE(without->labels.empty());
}

TEST_F(TableFileTest, RefusesLabelsThatTheModelDoesNotKnow) {
  condition_ = GradeCondition();
  const std::string known = "expected one of the version's labels, 0 (bad), 1, 2 (good), 3, got ";
  EXPECT_THAT(Refusal("height,grade,town\n1,bad,Bonn\n2,fair,Ulm\n"),
              HasSubstr("row 2, column 2: " + known + "\"fair\""));
  EXPECT_THAT(Refusal("height,grade,town\n1,4,Bonn\n"), HasSubstr("row 1, column 2: " + known));
  EXPECT_THAT(Refusal("height,grade,town\n1,,Bonn\n"), HasSubstr(known + "an empty text"));
  const absl::Status cells = Read("height,town\n1,Bonn\n", "height").status();
  EXPECT_EQ(cells.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(cells.message()), HasSubstr("expected a column of labels, got height"));
}

TEST_F(TableFileTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Refusal("height,town\n1,Bonn\n2,Rome\n"),
              AllOf(HasSubstr("row 2, column 2"), HasSubstr("\"town\", \"Bonn\", \"New York\""),
                    HasSubstr("got \"Rome\"")));
  EXPECT_THAT(Refusal("height,town\nx,Bonn\n"), HasSubstr("row 1, column 1"));
  EXPECT_THAT(Refusal("town\nBonn\n"), HasSubstr("lacks column \"height\""));
  EXPECT_THAT(Refusal("height,town,shoes\n1,Bonn,2\n"),
              HasSubstr("column \"shoes\" is none of the model's, which are height, town"));
  EXPECT_THAT(Refusal("height,height,town\n1,1,Bonn\n"), HasSubstr("two columns called"));
  EXPECT_THAT(Refusal("1,2,3\n"), HasSubstr("has 3 columns and no header, expected 2"));
  EXPECT_THAT(Refusal(""), HasSubstr("no rows"));
}

TEST_F(TableFileTest, TellsRowsByTheLikeliestCategory) {
  const Matrix rows{.columns = 4, .cells = {1.25f, 0.2f, 0.5f, 0.3f, 0.1f, 0.7f, 0.2f, 0.1f}};
  const Answer answer = TableAnswer(rows, {"a", "b"}, PeopleSchema());
  EXPECT_THAT(answer.headers, ElementsAre("who", "height", "town"));
  EXPECT_THAT(answer.row(0), ElementsAre("a", "1.25", "New York"));
  EXPECT_THAT(answer.row(1), ElementsAre("b", "0.1", "Bonn"));
  EXPECT_THAT(TableAnswer(rows, {}, PeopleSchema()).headers, ElementsAre("height", "town"));
}

}  // namespace
}  // namespace latent::cli
