#include "core/nn/convolution.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "core/nn/aligned_buffer.h"

LATENT_NUMERICS_BEGIN
namespace {

// Cells of patches that are held at a time: what stays in a core's cache beside the weights.
constexpr std::size_t kPatchCells = 1 << 15;

struct Scratch {
  AlignedBuffer image, patches;
  std::vector<std::size_t> offsets;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

// An image with its border of zeros, so that every window lies in it. Without padding the image is
// used where it stands.
class Padded {
 public:
  explicit Padded(const Convolution& shape)
      : shape_(shape),
        row_(shape.width * shape.channels),
        line_((shape.width + 2 * shape.padding) * shape.channels),
        first_(shape.padding * (line_ + shape.channels)) {
    if (shape.padding == 0) return;
    cells_ = ThreadScratch().image.Span((shape.height + 2 * shape.padding) * line_);
    std::fill(cells_.begin(), cells_.end(), Real{0});
  }

  // Cells from a cell to the one below.
  std::size_t line() const { return line_; }
  const Real* Take(const Real* image) {
    if (cells_.empty()) return image;
    for (std::size_t y = 0; y < shape_.height; ++y) {
      std::copy_n(image + y * row_, row_, cells_.data() + first_ + y * line_);
    }
    return cells_.data();
  }
  // What Take gave, to write to; Give writes it back.
  Real* Borrow(Real* image) { return Take(image) == image ? image : cells_.data(); }
  void Give(Real* image) const {
    if (cells_.empty()) return;
    for (std::size_t y = 0; y < shape_.height; ++y) {
      std::copy_n(cells_.data() + first_ + y * line_, row_, image + y * row_);
    }
  }

  // Where the window of each place of the map begins.
  std::span<const std::size_t> Places() const {
    std::vector<std::size_t>& offsets = ThreadScratch().offsets;
    offsets.clear();
    for (std::size_t y = 0; y < shape_.map_height; ++y) {
      for (std::size_t x = 0; x < shape_.map_width; ++x) {
        offsets.push_back(shape_.stride * (y * line_ + x * shape_.channels));
      }
    }
    return offsets;
  }
  // Where entries first, first + 1, ... of the first place's window are.
  std::span<const std::size_t> Entries(std::size_t first, std::size_t count) const {
    const std::size_t across = shape_.kernel * shape_.channels;
    std::vector<std::size_t>& offsets = ThreadScratch().offsets;
    offsets.clear();
    for (std::size_t i = first; i < first + count; ++i) {
      offsets.push_back(i / across * line_ + i % across);
    }
    return offsets;
  }

 private:
  const Convolution& shape_;
  std::size_t row_, line_, first_;
  std::span<Real> cells_;
};

// Row r of some maps, a row for each place.
template <typename T>
MatrixView<T> PlacesOf(const Convolution& shape, MatrixView<T> maps, std::size_t r) {
  return {maps.row(r).data(), shape.positions(), shape.map_channels};
}

// The windows of an image at `offsets`, entry by entry.
Windows WindowsOf(const Convolution& shape, const Padded& padded, const Real* image,
                  std::span<const std::size_t> offsets) {
  return {.image = image,
          .offsets = offsets,
          .segments = shape.kernel,
          .length = shape.kernel * shape.channels,
          .jump = padded.line()};
}

// Adds whole patches of rows of the map to the padded image that they are of.
void ScatterAdd(const Convolution& shape, ConstMatrix patches, std::size_t first_row,
                std::size_t rows, std::size_t line, Real* image) {
  const std::size_t across = shape.kernel * shape.channels;
  for (std::size_t y = 0; y < rows; ++y) {
    for (std::size_t ky = 0; ky < shape.kernel; ++ky) {
      Real* cells = image + ((first_row + y) * shape.stride + ky) * line;
      for (std::size_t x = 0; x < shape.map_width; ++x) {
        const Real* const entries = &patches(y * shape.map_width + x, ky * across);
        for (std::size_t i = 0; i < across; ++i) cells[i] += entries[i];
        cells += shape.stride * shape.channels;
      }
    }
  }
}

// images += maps * W^T.
void AddTransposed(const Convolution& shape, ConstMatrix maps, const PackedMatrix& wt,
                   Matrix images) {
  assert(maps.columns == shape.map_cells() && images.columns == shape.image_cells());
  const std::size_t at_once =
      std::clamp<std::size_t>(kPatchCells / (shape.map_width * shape.patch()), 1, shape.map_height);
  Padded padded(shape);
  for (std::size_t r = 0; r < maps.rows; ++r) {
    const ConstMatrix places = PlacesOf(shape, maps, r);
    Real* const image = padded.Borrow(images.row(r).data());
    for (std::size_t y = 0; y < shape.map_height; y += at_once) {
      const std::size_t rows = std::min(at_once, shape.map_height - y);
      const std::size_t count = rows * shape.map_width;
      const Matrix patches = ThreadScratch().patches.Shape(count, shape.patch());
      GemmNn(places.slice_rows(y * shape.map_width, count), wt, {}, Activation::kIdentity, patches);
      ScatterAdd(shape, patches, y, rows, padded.line(), image);
    }
    padded.Give(images.row(r).data());
  }
}

}  // namespace

Fans Convolution::MapFans() const {
  const auto area = static_cast<double>(stride * stride);
  return {.inputs = static_cast<double>(patch()),
          .outputs = static_cast<double>(kernel * kernel * map_channels) / area};
}

Fans Convolution::ImageFans() const {
  const Fans fans = MapFans();
  return {.inputs = fans.outputs, .outputs = fans.inputs};
}

void ConvolutionForward(const Convolution& shape, ConstMatrix images, const PackedMatrix& w,
                        std::span<const Real> bias, Activation activation, Matrix maps) {
  assert(images.columns == shape.image_cells() && maps.columns == shape.map_cells());
  Padded padded(shape);
  const std::span<const std::size_t> offsets = padded.Places();
  for (std::size_t r = 0; r < images.rows; ++r) {
    const Real* const image = padded.Take(images.row(r).data());
    GemmNn(WindowsOf(shape, padded, image, offsets), w, bias, activation, PlacesOf(shape, maps, r));
  }
}

void TransposedBackwardData(const Convolution& shape, ConstMatrix dimages, const PackedMatrix& w,
                            const NtOptions& options, Matrix dmaps) {
  assert(dimages.columns == shape.image_cells() && dmaps.columns == shape.map_cells());
  Padded padded(shape);
  const std::span<const std::size_t> offsets = padded.Places();
  NtOptions of_row = options;
  for (std::size_t r = 0; r < dimages.rows; ++r) {
    if (options.outputs.data != nullptr) of_row.outputs = PlacesOf(shape, options.outputs, r);
    const Real* const image = padded.Take(dimages.row(r).data());
    GemmNt(WindowsOf(shape, padded, image, offsets), w, of_row, PlacesOf(shape, dmaps, r));
  }
}

void ConvolutionBackwardData(const Convolution& shape, ConstMatrix dmaps, const PackedMatrix& wt,
                             const NtOptions& options, Matrix dimages) {
  if (!options.accumulate) {
    for (std::size_t r = 0; r < dimages.rows; ++r) {
      std::fill(dimages.row(r).begin(), dimages.row(r).end(), Real{0});
    }
  }
  AddTransposed(shape, dmaps, wt, dimages);
  if (options.activation != Activation::kIdentity) {
    MultiplyByDerivative(options.activation, options.outputs, dimages);
  }
}

void TransposedForward(const Convolution& shape, ConstMatrix maps, const PackedMatrix& wt,
                       std::span<const Real> bias, Activation activation, Matrix images) {
  assert(bias.size() == shape.channels);
  for (std::size_t r = 0; r < images.rows; ++r) {
    Real* cell = images.row(r).data();
    for (std::size_t i = 0; i < shape.height * shape.width; ++i) {
      cell = std::copy(bias.begin(), bias.end(), cell);
    }
  }
  AddTransposed(shape, maps, wt, images);
  Activate(activation, images);
}

void ConvolutionWeightGradient(const Convolution& shape, ConstMatrix images,
                               const PackedMatrix& maps, std::size_t first, bool accumulate,
                               Matrix dw) {
  assert(maps.k() == images.rows * shape.positions() && first + dw.rows <= shape.patch());
  Padded padded(shape);
  const std::size_t step = shape.stride * shape.channels;
  Windows windows{.offsets = padded.Entries(first, dw.rows),
                  .segments = shape.map_height,
                  .length = shape.map_width,
                  .jump = shape.stride * padded.line(),
                  .step = step};
  for (std::size_t r = 0; r < images.rows; ++r) {
    windows.image = padded.Take(images.row(r).data());
    GemmPart(windows, maps, r * shape.positions(), accumulate || r > 0, dw);
  }
}

LATENT_NUMERICS_END
