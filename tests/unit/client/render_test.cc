#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "client/render/progress.h"
#include "client/render/table.h"
#include "client/render/text.h"

namespace latent {
namespace {

TEST(PrintableTest, MakesWhatTerminalsObeyVisible) {
  const struct {
    const char* text;
    const char* printable;
  } cases[] = {
      {"plain text", "plain text"},
      {"tab\tnewline\n", "tab\\tnewline\\n"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"\x07\x7f", "\\x07\\x7f"},
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\xc2\x9b"
       "31m",
       "\\u{009b}31m"},
      {"\xe2\x80\xaegnp.exe", "\\u{202e}gnp.exe"},
      {"broken \xff\xc3", "broken \\xff\\xc3"},
      {"overlong \xc0\xaf", "overlong \\xc0\\xaf"},
      {"surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80"},
  };
  for (const auto& c : cases) EXPECT_EQ(Printable(c.text), c.printable);
}

TEST(TextTest, ShortensByCharactersNotBytes) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc...");
  EXPECT_EQ(Shorten("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 5), "\xc3\xa4\xc3\xa4...");
  EXPECT_EQ(Shorten("abc", 2), "..");
}

TEST(TextTest, FormatsQuantities) {
  EXPECT_EQ(FormatNumber(0.0095112), "0.0095112");
  EXPECT_EQ(FormatNumber(241.30005), "241.3");
  EXPECT_EQ(FormatFloat(0.1f), "0.1");
  EXPECT_EQ(FormatCount(60000), "60,000");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(52'400'000), "52.4 MB");
  EXPECT_EQ(FormatDuration(8.2), "8 s");
  EXPECT_EQ(FormatDuration(200), "3 min 20 s");
  EXPECT_EQ(FormatDuration(7500), "2 h 5 min");
  EXPECT_EQ(FormatDuration(std::nan("")), "?");
}

TEST(TableTest, AlignsNumbersRightAndTextLeft) {
  Table table({"name", "rows", "state"});
  table.AddRow({"digits", "1,438", "READY"});
  table.AddRow({"fashion-mnist", "54,000", "UPLOADING"});
  EXPECT_EQ(table.ToText(),
            "NAME             ROWS  STATE\n"
            "digits          1,438  READY\n"
            "fashion-mnist  54,000  UPLOADING\n");
}

TEST(TableTest, EscapesServerText) {
  Table table({"name"});
  table.AddRow({"a\x1b[2Jb"});
  EXPECT_EQ(table.ToText(), "NAME\na\\x1b[2Jb\n");
}

TEST(TableTest, QuotesCsvCells) {
  Table table({"name", "text"});
  table.AddRow({"a", "one, \"two\"\nthree"});
  EXPECT_EQ(table.ToCsv(), "name,text\na,\"one, \"\"two\"\"\nthree\"\n");
}

TEST(TableTest, GivesProgramsNumbersAsTheyAre) {
  Table table({"rows", "size", "took"});
  table.AddRow({CountCell(1455), BytesCell(468'000), DurationCell(200)});
  EXPECT_EQ(table.ToText(), " ROWS    SIZE        TOOK\n1,455  468 kB  3 min 20 s\n");
  EXPECT_EQ(table.ToCsv(), "rows,size,took\n1455,468000,200\n");
}

TEST(BarTest, FillsByShare) {
  EXPECT_EQ(Bar(0.5, 10, false), "[#####-----]");
  EXPECT_EQ(Bar(7, 4, false), "[####]");
  EXPECT_EQ(Bar(-1, 4, false), "[----]");
  EXPECT_EQ(Bar(0.5, 4, true), "━━╌╌");
}

TEST(SparklineTest, GoesFromLowestToHighest) {
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 10, true), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline({9, 9, 0, 7}, 2, true), "▁█");
  EXPECT_EQ(Sparkline({5, 5}, 5, true), "▁▁");
  EXPECT_EQ(Sparkline({std::nan(""), 1}, 5, true), "▁");
  EXPECT_EQ(Sparkline({1, 2}, 5, false), "");
}

v1::JobEvent Epoch(std::uint32_t epoch, double loss) {
  v1::JobEvent event;
  event.set_stored(true);
  event.set_state(v1::JOB_STATE_RUNNING);
  event.set_phase(v1::JOB_PHASE_TRAINING);
  v1::TrainProgress& progress = *event.mutable_progress();
  progress.set_epoch(epoch);
  progress.set_epochs(20);
  progress.set_step(epoch * 10);
  progress.set_steps(200);
  progress.set_train_loss(loss);
  progress.set_validation_loss(loss + 1);
  progress.set_samples_per_second(51234.7);
  progress.set_eta_seconds(95);
  return event;
}

TEST(JobLineTest, ShowsProgressLossesAndTimeLeft) {
  JobLine line;
  line.Add(Epoch(9, 12));
  line.Add(Epoch(10, 10.5));
  EXPECT_EQ(line.PlainText(),
            "TRAINING  epoch 10/20  loss 10.5 val 11.5  51,234 rows/s  ETA 1 min 35 s");
  EXPECT_EQ(line.Text(130, true),
            "━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌ TRAINING  epoch 10/20  loss 10.5 val 11.5  "
            "51,234 rows/s  ETA 1 min 35 s  █▁");
}

TEST(JobLineTest, FitsNarrowTerminals) {
  JobLine line;
  line.Add(Epoch(10, 10.5));
  for (const std::size_t width : {1, 10, 40, 79, 80, 100}) {
    EXPECT_LE(DisplayWidth(line.Text(width, true)), width);
  }
}

TEST(JobLineTest, NamesTheStateOfAnEndedJob) {
  JobLine line;
  v1::JobEvent event = Epoch(20, 9);
  event.set_state(v1::JOB_STATE_SUCCEEDED);
  event.set_phase(v1::JOB_PHASE_UNSPECIFIED);
  line.Add(event);
  EXPECT_EQ(line.PlainText(), "SUCCEEDED  epoch 20/20  loss 9 val 10");
}

// What a LiveLine writes to its stream.
template <typename Use>
std::string Written(Terminal terminal, bool quiet, Use use) {
  std::FILE* file = std::tmpfile();
  {
    LiveLine line(file, terminal, quiet);
    use(line);
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

TEST(LiveLineTest, RenewsOneLineOnATerminal) {
  EXPECT_EQ(Written({.live = true}, false,
                    [](LiveLine& line) {
                      line.Update("one", true);
                      line.Update("two", true);
                    }),
            "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K");
}

TEST(LiveLineTest, WritesPlainLinesElsewhere) {
  EXPECT_EQ(Written({}, false,
                    [](LiveLine& line) {
                      line.Update("progress");
                      line.Print("epoch 1");
                    }),
            "epoch 1\n");
}

TEST(LiveLineTest, IsSilentWhenQuiet) {
  EXPECT_EQ(Written({.live = true}, true,
                    [](LiveLine& line) {
                      line.Update("progress");
                      line.Print("epoch 1");
                    }),
            "");
}

}  // namespace
}  // namespace latent
