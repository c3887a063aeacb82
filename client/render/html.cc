#include "client/render/html.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace latent {
namespace {

constexpr char kStyle[] = R"(
:root { --paper: #fcfcfa; --ink: #22222a; --faint: #6e6e78; --line: #e2e2de; --card: #ffffff;
  --good: #2f7d4f; --bad: #b4552d; --accent: #4e79a7; }
@media (prefers-color-scheme: dark) { :root { --paper: #1b1b20; --ink: #e8e8ea; --faint: #a0a0aa;
  --line: #34343c; --card: #232329; --good: #7cc79a; --bad: #e59a76; --accent: #8fb4dc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2.5rem 1.5rem 4rem; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .6rem; padding-top: 1.2rem; border-top: 1px solid
  var(--line); }
p { margin: .4rem 0 .9rem; max-width: 46rem; }
.faint, figcaption { color: var(--faint); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(12.5rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--faint); font-size: .85rem; display: block; }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1rem; font-size: .92rem; }
th { text-align: left; font-weight: 600; color: var(--faint); font-size: .82rem; }
th, td { padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
td.note { color: var(--faint); font-size: .86rem; max-width: 26rem; }
td.text { overflow-wrap: anywhere; }
figure { margin: 1rem 0 1.6rem; }
figure img { max-width: 100%; height: auto; border-radius: .4rem; border: 1px solid var(--line);
  display: block; }
figcaption { font-size: .88rem; margin-top: .4rem; max-width: 46rem; }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--accent); }
code { font-size: .9em; }
)";

}  // namespace

std::string HtmlText(std::string_view text) {
  return absl::StrReplaceAll(
      absl::string_view(text.data(), text.size()),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

std::string HtmlPicture(std::string_view png, std::string_view caption) {
  const std::string text = HtmlText(caption);
  return absl::StrCat("<figure><img alt=\"", text, "\" src=\"data:image/png;base64,", Base64(png),
                      "\"><figcaption>", text, "</figcaption></figure>\n");
}

std::string HtmlPage(std::string_view title, std::string_view body) {
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      HtmlText(title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n",
      absl::string_view(body.data(), body.size()), "</body>\n</html>\n");
}

}  // namespace latent
