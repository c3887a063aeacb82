#include "core/picture/canvas.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace latent {
namespace {

constexpr Color kWhite{255, 255, 255}, kBlack{0, 0, 0}, kRed{255, 0, 0};

long Count(const Canvas& canvas, Color color) {
  return std::count(canvas.pixels().begin(), canvas.pixels().end(), color);
}

TEST(CanvasTest, FillRectIsCutOffAtTheEdges) {
  Canvas canvas(4, 3, kWhite);
  canvas.FillRect(-5, 1, 7, 100, kRed);
  EXPECT_EQ(Count(canvas, kRed), 2 * 2);
  EXPECT_EQ(canvas.at(1, 2), kRed);
  EXPECT_EQ(canvas.at(2, 2), kWhite);
}

TEST(CanvasTest, DrawRectLeavesTheInside) {
  Canvas canvas(5, 5, kWhite);
  canvas.DrawRect(0, 0, 5, 5, kBlack);
  EXPECT_EQ(Count(canvas, kBlack), 16);
}

TEST(CanvasTest, BlendMixesByShare) {
  Canvas canvas(1, 1, kWhite);
  canvas.Blend(0, 0, kBlack, 0.5);
  EXPECT_EQ(canvas.at(0, 0), (Color{128, 128, 128}));
}

TEST(CanvasTest, DiscIsSymmetricAboutItsCenter) {
  Canvas canvas(9, 9, kWhite);
  canvas.DrawDisc({4.5, 4.5}, 3, kBlack);
  EXPECT_EQ(canvas.at(4, 4), kBlack);
  for (int y = 0; y < 9; ++y) {
    for (int x = 0; x < 9; ++x) {
      EXPECT_EQ(canvas.at(x, y), canvas.at(8 - x, y));
      EXPECT_EQ(canvas.at(x, y), canvas.at(y, x));
    }
  }
}

TEST(CanvasTest, LineOutsideTheImageIsHarmless) {
  Canvas canvas(4, 4, kWhite);
  canvas.DrawLine({-100, -50}, {-20, 300}, 3, kBlack);
  EXPECT_EQ(Count(canvas, kWhite), 16);
}

TEST(CanvasTest, TextScalesEachFontPixel) {
  Canvas small(20, 20, kWhite), large(40, 40, kWhite);
  small.DrawText(0, 0, "A", kBlack);
  large.DrawText(0, 0, "A", kBlack, {.scale = 2});
  EXPECT_GT(Count(small, kBlack), 10);
  EXPECT_EQ(Count(large, kBlack), 4 * Count(small, kBlack));
}

TEST(CanvasTest, UpwardsTextIsTextTurnedLeft) {
  Canvas flat(14, 13, kWhite), turned(13, 14, kWhite);
  flat.DrawText(0, 0, "Ag", kBlack);
  turned.DrawTextUpwards(0, 13, "Ag", kBlack);
  for (int y = 0; y < 13; ++y) {
    for (int x = 0; x < 14; ++x) EXPECT_EQ(flat.at(x, y), turned.at(y, 13 - x)) << x << "," << y;
  }
}

TEST(CanvasTest, TextBeyondAsciiIsOneQuestionMarkACharacter) {
  EXPECT_EQ(Canvas::TextWidth("a\xc3\xa4\xe2\x82\xac"), 3 * 7);
  Canvas umlaut(7, 13, kWhite), question(7, 13, kWhite);
  umlaut.DrawText(0, 0, "\xc3\xa4", kBlack);
  question.DrawText(0, 0, "?", kBlack);
  EXPECT_EQ(umlaut.pixels(), question.pixels());
}

}  // namespace
}  // namespace latent
