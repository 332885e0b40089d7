#include "halftone/report/drawing.h"

#include <cstdio>

namespace halftone {
namespace {

constexpr double kCell = 18, kNames = 260;

// Few bits dark, many light.
std::string colour(int bits) {
  const int hue = 250 - 25 * bits, light = 35 + 6 * bits;
  return "hsl(" + std::to_string(hue) + ",55%," + std::to_string(light) + "%)";
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

std::string drawn_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", value);
  return buffer;
}

std::string drawn_text(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + drawn_number(x) + "\" y=\"" + drawn_number(y) + "\" text-anchor=\"" +
         anchor + "\">" + escaped(text) + "</text>\n";
}

std::string svg(double width, double height, const std::string& content) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + drawn_number(width) +
         "\" height=\"" + drawn_number(height) +
         "\" font-family=\"sans-serif\" font-size=\"11\">\n" + content + "</svg>\n";
}

std::string bits_map(const std::vector<std::string>& sites,
                     const std::vector<BitsColumn>& columns) {
  std::string content;
  for (size_t i = 0; i < sites.size(); ++i) {
    const double y = kCell * static_cast<double>(i);
    content += drawn_text(kNames - 6, y + 13, "end", sites[i]);
    for (size_t k = 0; k < columns.size(); ++k) {
      const int bits = columns[k].bits[i];
      const double x = kNames + kCell * static_cast<double>(k);
      content += "<rect x=\"" + drawn_number(x) + "\" y=\"" + drawn_number(y) +
                 "\" width=\"17\" height=\"17\" fill=\"" + colour(bits) + "\"><title>" +
                 escaped(sites[i]) + ": " + std::to_string(bits) + " bits " +
                 escaped(columns[k].when) + "</title></rect>\n";
      content += drawn_text(x + 8, y + 13, "middle", std::to_string(bits));
    }
  }
  return svg(kNames + kCell * static_cast<double>(columns.size()),
             kCell * static_cast<double>(sites.size()), content);
}

std::string html_page(const std::string& title, const std::string& body) {
  const std::string name = escaped(title);
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + name +
         "</title></head>\n<body style=\"font-family:sans-serif\">\n<h1>" + name + "</h1>\n" +
         body + "</body></html>\n";
}

}  // namespace halftone
