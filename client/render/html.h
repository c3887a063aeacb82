// Pieces of a self-contained HTML page: no script, no other file, light and dark. Pure functions;
// any thread.
#ifndef LATENT_CLIENT_RENDER_HTML_H_
#define LATENT_CLIENT_RENDER_HTML_H_

#include <string>
#include <string_view>

namespace latent {

// `text` with what HTML would read as markup made harmless.
std::string HtmlText(std::string_view text);
std::string Base64(std::string_view bytes);
// A picture that the page holds itself; `png` are a PNG file's bytes.
std::string HtmlPicture(std::string_view png, std::string_view caption);
// `body` in a page with a style.
std::string HtmlPage(std::string_view title, std::string_view body);

}  // namespace latent

#endif  // LATENT_CLIENT_RENDER_HTML_H_
