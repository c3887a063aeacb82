// Structural similarity of images (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004, doi
// 10.1109/TIP.2003.819861). Pure functions; any thread.
#ifndef LATENT_CORE_EVAL_SSIM_H_
#define LATENT_CORE_EVAL_SSIM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace latent {

// The side of the window: smaller images have no SSIM.
inline constexpr std::size_t kSsimWindow = 11;

struct SsimShape {
  std::size_t height = 0, width = 0, channels = 1;
};
// Of rows shaped [h, w] or [h, w, channels] with h, w >= 11 and at most 4 channels; nullopt else.
std::optional<SsimShape> SsimShapeOf(std::span<const std::uint32_t> row_shape);

// Mean structural similarity of two images, cells running over channels, then columns, then rows:
// Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, variances divided by N, windows
// that lie inside the image only, mean over windows and channels. `range` > 0 is the greatest
// possible difference of two cells.
double Ssim(const SsimShape& shape, std::span<const float> a, std::span<const float> b,
            double range);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_SSIM_H_
