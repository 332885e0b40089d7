// What pictures are drawn from: pieces of SVG, and the HTML page around them.
//
//   html_page("resnet20", bits_map({"conv1", "fc"}, {{"at step 0", {4, 8}}}));
#pragma once

#include <string>
#include <vector>

namespace halftone {

// For HTML and SVG.
std::string escaped(const std::string& text);
// With four digits.
std::string drawn_number(double value);
// anchor: start, middle or end. Places are in pixels from the upper left corner.
std::string drawn_text(double x, double y, const char* anchor, const std::string& text);
std::string svg(double width, double height, const std::string& content);

// Bits of every site, one column after the other.
struct BitsColumn {
  std::string when;       // told at each of its cells: "at an average of 3"
  std::vector<int> bits;  // by site
};
// A row a site, a cell a column: its number on a colour that is darker for fewer bits.
std::string bits_map(const std::vector<std::string>& sites, const std::vector<BitsColumn>& columns);

// One file that needs nothing else.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace halftone
