#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/picture/palette.h"
#include "core/picture/plots.h"

namespace latent {
namespace {

constexpr int kMargin = 16;
constexpr int kGap = 4;          // between images
constexpr int kBlockGap = 14;    // between blocks of lines
constexpr int kMaxColumns = 16;  // where the caller names none
constexpr int kMaxImages = 4096;
constexpr int kMaxSide = 4096;

std::uint8_t ToByte(float value) {
  const float clipped = value > 0 ? std::min(value, 1.0f) : 0.0f;  // NaN becomes 0
  return static_cast<std::uint8_t>(std::lround(clipped * 255));
}

Color CellColor(const ImageShape& shape, std::span<const float> image, int x, int y, bool heat) {
  const std::size_t at = (static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) +
                          static_cast<std::size_t>(x)) *
                         static_cast<std::size_t>(shape.channels);
  if (heat) {
    double sum = 0;
    for (int c = 0; c < shape.channels; ++c) sum += image[at + static_cast<std::size_t>(c)];
    return HeatColor(sum / shape.channels);
  }
  const std::uint8_t first = ToByte(image[at]);
  if (shape.channels == 1) return {first, first, first};
  return {first, ToByte(image[at + 1]), ToByte(image[at + 2])};
}

void DrawImage(Canvas& canvas, int left, int top, const ImageShape& shape,
               std::span<const float> image, bool heat, int pixel) {
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) {
      canvas.FillRect(left + x * pixel, top + y * pixel, pixel, pixel,
                      CellColor(shape, image, x, y, heat));
    }
  }
}

// Where everything of a grid goes.
struct Layout {
  int images = 0, columns = 0, blocks = 0, lines = 0;
  int pixel = 1, cell_width = 0, cell_height = 0;
  int left = 0, top = 0, width = 0, height = 0;

  int X(int column) const { return left + column * (cell_width + kGap); }
  int Y(int block, int line) const {
    const int block_height = lines * (cell_height + kGap) - kGap + (lines > 1 ? kBlockGap : kGap);
    return top + block * block_height + line * (cell_height + kGap);
  }
};

Layout LayOut(const ImageShape& shape, std::span<const ImageLine> lines,
              const GridOptions& options) {
  Layout layout;
  layout.images = static_cast<int>(lines[0].cells.size() / shape.cells());
  layout.columns = std::min(options.columns, layout.images);
  if (options.columns <= 0) {  // as few blocks as can be, of equal width
    const int blocks = (layout.images + kMaxColumns - 1) / kMaxColumns;
    layout.columns = (layout.images + blocks - 1) / blocks;
  }
  layout.blocks = (layout.images + layout.columns - 1) / layout.columns;
  layout.lines = static_cast<int>(lines.size());
  layout.pixel =
      options.pixel_size > 0 ? options.pixel_size : std::max(1, 64 / std::max(shape.width, 1));
  layout.cell_width = shape.width * layout.pixel;
  layout.cell_height = shape.height * layout.pixel;
  int captions = 0;
  for (const ImageLine& line : lines) {
    captions = std::max(captions, Canvas::TextWidth(line.caption));
  }
  layout.left = kMargin + (captions > 0 ? captions + 12 : 0);
  layout.top = kMargin + (options.title.empty() ? 0 : Canvas::kTextHeight + 12);
  const int texts = std::max(Canvas::TextWidth(options.title), Canvas::TextWidth(options.footer));
  layout.width = std::max(layout.X(layout.columns) - kGap, kMargin + texts) + kMargin;
  layout.height = layout.Y(layout.blocks - 1, layout.lines) - kGap + kMargin +
                  (options.footer.empty() ? 0 : Canvas::kTextHeight + 8);
  return layout;
}

absl::Status CheckLines(const ImageShape& shape, std::span<const ImageLine> lines) {
  if (lines.empty() || lines[0].cells.empty() || shape.cells() == 0) {
    return absl::InvalidArgumentError("image grid: there are no images to draw");
  }
  for (const ImageLine& line : lines) {
    if (line.cells.size() % shape.cells() != 0 || line.cells.size() != lines[0].cells.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "image grid: expected every line to hold the same number of images of ", shape.cells(),
          " cells, got lines of ", lines[0].cells.size(), " and ", line.cells.size(), " cells"));
    }
  }
  const std::size_t images = lines.size() * lines[0].cells.size() / shape.cells();
  if (images > kMaxImages) {
    return absl::InvalidArgumentError(absl::StrCat("image grid: expected at most ", kMaxImages,
                                                   " images, got ", images, "; draw fewer rows"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImageShape> ImageShapeOf(std::span<const std::uint32_t> row_shape) {
  ImageShape shape;
  const auto side = [](std::uint32_t n) { return static_cast<int>(std::min(n, 65536u)); };
  if (row_shape.size() == 1) {
    const int root = static_cast<int>(std::lround(std::sqrt(side(row_shape[0]))));
    const bool square = root * root == side(row_shape[0]);
    shape = square ? ImageShape{root, root, 1} : ImageShape{1, side(row_shape[0]), 1};
  } else if (row_shape.size() == 2 ||
             (row_shape.size() == 3 && (row_shape[2] == 1 || row_shape[2] == 3))) {
    shape = {side(row_shape[0]), side(row_shape[1]),
             row_shape.size() == 3 ? side(row_shape[2]) : 1};
  }
  if (shape.cells() == 0 || shape.width > kMaxSide || shape.height > kMaxSide) {
    std::string got;
    for (const std::uint32_t n : row_shape) absl::StrAppend(&got, got.empty() ? "" : "x", n);
    return absl::InvalidArgumentError(absl::StrCat(
        "rows of shape [", got, "] cannot be drawn: expected [height, width] with 1 or 3 channels",
        " and sides of at most ", kMaxSide));
  }
  return shape;
}

absl::StatusOr<Canvas> DrawImageGrid(const ImageShape& shape, std::span<const ImageLine> lines,
                                     const GridOptions& options) {
  LATENT_RETURN_IF_ERROR(CheckLines(shape, lines));
  const Layout layout = LayOut(shape, lines, options);
  constexpr std::int64_t kMaxPixels = 100'000'000;
  if (std::int64_t{layout.width} * layout.height > kMaxPixels) {
    return absl::InvalidArgumentError(absl::StrCat("image grid: ", layout.width, " x ",
                                                   layout.height,
                                                   " pixels are too many; draw fewer rows"));
  }
  Canvas canvas(layout.width, layout.height, kPaper);
  canvas.DrawText(kMargin, kMargin, options.title, kInk, {.bold = true});
  for (int i = 0; i < layout.images; ++i) {
    const int block = i / layout.columns, column = i % layout.columns;
    for (int l = 0; l < layout.lines; ++l) {
      const ImageLine& line = lines[static_cast<std::size_t>(l)];
      const int y = layout.Y(block, l);
      DrawImage(canvas, layout.X(column), y, shape,
                line.cells.subspan(static_cast<std::size_t>(i) * shape.cells(), shape.cells()),
                line.heat, layout.pixel);
      if (column == 0) {
        canvas.DrawText(kMargin, y + (layout.cell_height - Canvas::kTextHeight) / 2, line.caption,
                        kFaintInk);
      }
    }
  }
  canvas.DrawText(kMargin, layout.height - kMargin - Canvas::kTextHeight + 4, options.footer,
                  kFaintInk);
  return canvas;
}

}  // namespace latent
