#include "core/nn/convolution.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 5;
// Of a chain of some thousand float products against the same sum in double.
constexpr double kTolerance = 2e-4;

std::size_t MapSize(std::size_t size, const Convolution& c) {
  return (size + 2 * c.padding - c.kernel) / c.stride + 1;
}

Convolution Shape(std::size_t height, std::size_t width, std::size_t channels, std::size_t kernel,
                  std::size_t stride, std::size_t padding, std::size_t map_channels) {
  Convolution c{.height = height,
                .width = width,
                .channels = channels,
                .kernel = kernel,
                .stride = stride,
                .padding = padding};
  c.map_height = MapSize(height, c);
  c.map_width = MapSize(width, c);
  c.map_channels = map_channels;
  return c;
}

// The last one's patches do not fit into what is held at a time.
const std::vector<Convolution>& Shapes() {
  static const std::vector<Convolution> shapes = {
      Shape(7, 5, 3, 3, 2, 1, 4),  Shape(28, 28, 1, 5, 2, 2, 16), Shape(6, 9, 2, 4, 3, 1, 5),
      Shape(5, 5, 1, 1, 1, 0, 3),  Shape(4, 4, 17, 3, 1, 1, 33),  Shape(3, 3, 2, 3, 1, 0, 2),
      Shape(1, 1, 2, 3, 2, 1, 1),  Shape(9, 2, 1, 2, 4, 0, 2),    Shape(8, 7, 2, 7, 1, 6, 3),
      Shape(61, 43, 6, 5, 2, 2, 7)};
  return shapes;
}

std::string Text(const Convolution& c) {
  return absl::StrCat(c.height, "x", c.width, "x", c.channels, " kernel ", c.kernel, " stride ",
                      c.stride, " padding ", c.padding, " to ", c.map_height, "x", c.map_width, "x",
                      c.map_channels);
}

// Calls fn(image cell, weight, map cell) for each product of one row.
template <typename Fn>
void ForProducts(const Convolution& c, const Fn& fn) {
  for (std::size_t y = 0; y < c.map_height; ++y) {
    for (std::size_t x = 0; x < c.map_width; ++x) {
      for (std::size_t ky = 0; ky < c.kernel; ++ky) {
        for (std::size_t kx = 0; kx < c.kernel; ++kx) {
          const std::size_t row = y * c.stride + ky, column = x * c.stride + kx;
          if (row < c.padding || row - c.padding >= c.height) continue;
          if (column < c.padding || column - c.padding >= c.width) continue;
          for (std::size_t i = 0; i < c.channels; ++i) {
            const std::size_t cell =
                ((row - c.padding) * c.width + column - c.padding) * c.channels + i;
            const std::size_t patch = (ky * c.kernel + kx) * c.channels + i;
            for (std::size_t o = 0; o < c.map_channels; ++o) {
              fn(cell, patch * c.map_channels + o, (y * c.map_width + x) * c.map_channels + o);
            }
          }
        }
      }
    }
  }
}

struct Data {
  explicit Data(const Convolution& shape)
      : c(shape),
        images(kRows * c.image_cells()),
        maps(kRows * c.map_cells()),
        weights(c.patch() * c.map_channels),
        map_bias(c.map_channels),
        image_bias(c.channels) {
    std::uint64_t seed = 0;
    for (std::vector<float>* cells : {&images, &maps, &weights, &map_bias, &image_bias}) {
      FillNormal({.seed = ++seed}, *cells);
    }
    w.Pack({weights.data(), c.patch(), c.map_channels});
    wt.PackTransposed({weights.data(), c.patch(), c.map_channels});
  }
  Matrix Images() { return {images.data(), kRows, c.image_cells()}; }
  Matrix Maps() { return {maps.data(), kRows, c.map_cells()}; }

  Convolution c;
  std::vector<float> images, maps, weights, map_bias, image_bias;
  PackedMatrix w, wt;
};

void ExpectNear(const std::vector<double>& expected, const std::vector<float>& got,
                const Convolution& c) {
  ASSERT_EQ(expected.size(), got.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(expected[i], got[i], kTolerance * std::max(1.0, std::abs(expected[i])))
        << Text(c) << ", cell " << i;
  }
}

TEST(ConvolutionTest, EqualsADirectLoop) {
  for (const Convolution& c : Shapes()) {
    Data data(c);
    std::vector<float> got(data.maps.size());
    ConvolutionForward(c, data.Images(), data.w, data.map_bias, Activation::kLeakyRelu,
                       {got.data(), kRows, c.map_cells()});
    std::vector<double> expected(got.size());
    for (std::size_t i = 0; i < got.size(); ++i) expected[i] = data.map_bias[i % c.map_channels];
    for (std::size_t r = 0; r < kRows; ++r) {
      ForProducts(c, [&](std::size_t cell, std::size_t weight, std::size_t map) {
        expected[r * c.map_cells() + map] +=
            static_cast<double>(data.images[r * c.image_cells() + cell]) *
            static_cast<double>(data.weights[weight]);
      });
    }
    for (double& x : expected) x *= x > 0 ? 1 : 0.01;
    ExpectNear(expected, got, c);
  }
}

TEST(ConvolutionTest, TransposeEqualsADirectLoop) {
  for (const Convolution& c : Shapes()) {
    Data data(c);
    std::vector<float> got(data.images.size());
    TransposedForward(c, data.Maps(), data.wt, data.image_bias, Activation::kRelu,
                      {got.data(), kRows, c.image_cells()});
    std::vector<double> expected(got.size());
    for (std::size_t i = 0; i < got.size(); ++i) expected[i] = data.image_bias[i % c.channels];
    for (std::size_t r = 0; r < kRows; ++r) {
      ForProducts(c, [&](std::size_t cell, std::size_t weight, std::size_t map) {
        expected[r * c.image_cells() + cell] +=
            static_cast<double>(data.maps[r * c.map_cells() + map]) *
            static_cast<double>(data.weights[weight]);
      });
    }
    for (double& x : expected) x = std::max(x, 0.0);
    ExpectNear(expected, got, c);
  }
}

TEST(ConvolutionTest, WeightGradientEqualsADirectLoopWhateverTheSlices) {
  for (const Convolution& c : Shapes()) {
    Data data(c);
    std::vector<double> expected(data.weights.size());
    for (std::size_t r = 0; r < kRows; ++r) {
      ForProducts(c, [&](std::size_t cell, std::size_t weight, std::size_t map) {
        expected[weight] += static_cast<double>(data.images[r * c.image_cells() + cell]) *
                            static_cast<double>(data.maps[r * c.map_cells() + map]);
      });
    }
    PackedMatrix maps;
    maps.Pack({data.maps.data(), kRows * c.positions(), c.map_channels});
    std::vector<float> whole(data.weights.size()), sliced(whole.size());
    ConvolutionWeightGradient(c, data.Images(), maps, 0, false,
                              {whole.data(), c.patch(), c.map_channels});
    for (std::size_t first = 0; first < c.patch(); first += 7) {
      const std::size_t count = std::min<std::size_t>(7, c.patch() - first);
      ConvolutionWeightGradient(c, data.Images(), maps, first, false,
                                {sliced.data() + first * c.map_channels, count, c.map_channels});
    }
    ExpectNear(expected, whole, c);
    EXPECT_EQ(sliced, whole) << Text(c);
  }
}

TEST(ConvolutionTest, AddsToAWeightGradientThatStands) {
  const Convolution c = Shape(7, 5, 3, 3, 2, 1, 4);
  Data data(c);
  PackedMatrix maps;
  maps.Pack({data.maps.data(), kRows * c.positions(), c.map_channels});
  std::vector<float> once(data.weights.size()), twice(once.size());
  const auto add = [&](std::vector<float>& dw, bool accumulate) {
    ConvolutionWeightGradient(c, data.Images(), maps, 0, accumulate,
                              {dw.data(), c.patch(), c.map_channels});
  };
  add(once, false);
  add(twice, false);
  add(twice, true);
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(twice[i], 2 * once[i], 1e-4) << i;
}

// <conv(x), y> = <x, transpose(y)>: one is the other's gradient too.
TEST(ConvolutionTest, TransposeIsTheAdjoint) {
  for (const Convolution& c : Shapes()) {
    Data data(c);
    std::vector<float> forth(data.maps.size()), back(data.images.size());
    TransposedBackwardData(c, data.Images(), data.w, {}, {forth.data(), kRows, c.map_cells()});
    ConvolutionBackwardData(c, data.Maps(), data.wt, {}, {back.data(), kRows, c.image_cells()});
    double left = 0, right = 0, size = 0;
    for (std::size_t i = 0; i < forth.size(); ++i) {
      const double term = static_cast<double>(forth[i]) * static_cast<double>(data.maps[i]);
      left += term;
      size += std::abs(term);
    }
    for (std::size_t i = 0; i < back.size(); ++i) {
      right += static_cast<double>(back[i]) * static_cast<double>(data.images[i]);
    }
    EXPECT_NEAR(left, right, 1e-5 * size) << Text(c);
  }
}

TEST(ConvolutionTest, BackwardStartsAtWhatIsThereAndMultipliesByTheSlope) {
  for (const Activation f : {Activation::kRelu, Activation::kTanh, Activation::kSoftplus}) {
    const Convolution c = Shape(7, 5, 3, 3, 2, 1, 4);
    Data data(c);
    std::vector<float> plain_image(data.images.size()), image(data.images.size(), 0.25F);
    std::vector<float> plain_map(data.maps.size()), map(data.maps.size(), 0.25F);
    const auto run = [&](const NtOptions& to_image, const NtOptions& to_map,
                         std::vector<float>& dimages, std::vector<float>& dmaps) {
      ConvolutionBackwardData(c, data.Maps(), data.wt, to_image,
                              {dimages.data(), kRows, c.image_cells()});
      TransposedBackwardData(c, data.Images(), data.w, to_map,
                             {dmaps.data(), kRows, c.map_cells()});
    };
    run({}, {}, plain_image, plain_map);
    run({true, f, data.Images()}, {true, f, data.Maps()}, image, map);
    const auto expect = [&](std::vector<float>& plain, const Matrix& values,
                            const std::vector<float>& got) {
      for (float& g : plain) g += 0.25F;
      MultiplyByDerivative(f, values, {plain.data(), values.rows, values.columns});
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(plain[i], got[i], 1e-4F) << i;
    };
    expect(plain_image, data.Images(), image);
    expect(plain_map, data.Maps(), map);
  }
}

TEST(ConvolutionTest, GivesARowTheSameBitsAloneAndInABatch) {
  for (const Convolution& c : Shapes()) {
    Data data(c);
    std::vector<float> maps(data.maps.size()), images(data.images.size());
    ConvolutionForward(c, data.Images(), data.w, data.map_bias, Activation::kSilu,
                       {maps.data(), kRows, c.map_cells()});
    TransposedForward(c, data.Maps(), data.wt, data.image_bias, Activation::kTanh,
                      {images.data(), kRows, c.image_cells()});
    for (std::size_t r = 0; r < kRows; ++r) {
      std::vector<float> map(c.map_cells()), image(c.image_cells());
      ConvolutionForward(c, data.Images().slice_rows(r, 1), data.w, data.map_bias,
                         Activation::kSilu, {map.data(), 1, c.map_cells()});
      TransposedForward(c, data.Maps().slice_rows(r, 1), data.wt, data.image_bias,
                        Activation::kTanh, {image.data(), 1, c.image_cells()});
      const Matrix all_maps(maps.data(), kRows, c.map_cells());
      const Matrix all_images(images.data(), kRows, c.image_cells());
      EXPECT_TRUE(std::equal(map.begin(), map.end(), all_maps.row(r).begin())) << Text(c);
      EXPECT_TRUE(std::equal(image.begin(), image.end(), all_images.row(r).begin())) << Text(c);
    }
  }
}

}  // namespace
}  // namespace latent
