#include "halftone/report/tradeoff.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace halftone {
namespace {

constexpr double kWidth = 760, kHeight = 300, kLeft = 70, kBottom = 40, kTop = 16;
constexpr double kCell = 18, kNames = 260;

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

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", value);
  return buffer;
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" +
         escaped(text) + "</text>\n";
}

std::string svg(double width, double height, const std::string& content) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width) + "\" height=\"" +
         number(height) + "\" font-family=\"sans-serif\" font-size=\"11\">\n" + content +
         "</svg>\n";
}

// Few bits dark, many light.
std::string colour(int bits) {
  const int hue = 250 - 25 * bits, light = 35 + 6 * bits;
  return "hsl(" + std::to_string(hue) + ",55%," + std::to_string(light) + "%)";
}

class Curve {
 public:
  explicit Curve(const std::vector<TradeoffPoint>& points) : points_(points) {
    first_ = points.front().average_bits;
    last_ = std::max(points.back().average_bits, first_ + 1e-9);
    for (const TradeoffPoint& point : points)
      if (point.loss > 0) {
        low_ = std::min(low_, std::log10(point.loss));
        high_ = std::max(high_, std::log10(point.loss));
      }
    if (low_ > high_) low_ = high_ = 0;
    low_ = std::floor(low_);
    high_ = std::max(std::ceil(high_), low_ + 1);
  }

  std::string draw() const {
    std::string content, line;
    for (double decade = low_; decade <= high_; ++decade) {
      const double at = y(std::pow(10, decade));
      content += "<path d=\"M" + number(kLeft) + " " + number(at) + "H" + number(kWidth) +
                 "\" stroke=\"#ddd\"/>\n";
      content += label(kLeft - 6, at + 4, "end", "1e" + number(decade));
    }
    for (const TradeoffPoint& point : points_) {
      line += number(x(point)) + "," + number(y(point.loss)) + " ";
      content += "<circle cx=\"" + number(x(point)) + "\" cy=\"" + number(y(point.loss)) +
                 "\" r=\"3\"><title>" + number(point.average_bits) + " bits, " +
                 number(point.weight_bytes) + " bytes, loss " + number(point.loss) +
                 "</title></circle>\n";
    }
    content += "<polyline fill=\"none\" stroke=\"#333\" points=\"" + line + "\"/>\n";
    for (double bits = std::ceil(first_); bits <= last_; ++bits)
      content += label(x_of(bits), kHeight - kBottom + 16, "middle", number(bits));
    content += label((kLeft + kWidth) / 2, kHeight - 6, "middle", "average bits of weights");
    return svg(kWidth + 10, kHeight, content);
  }

 private:
  double x_of(double bits) const {
    return kLeft + (kWidth - kLeft) * (bits - first_) / (last_ - first_);
  }
  double x(const TradeoffPoint& point) const { return x_of(point.average_bits); }
  double y(double loss) const {
    const double share = loss > 0 ? (std::log10(loss) - low_) / (high_ - low_) : 0;
    return kHeight - kBottom - (kHeight - kBottom - kTop) * share;
  }

  const std::vector<TradeoffPoint>& points_;
  double first_ = 0, last_ = 1, low_ = INFINITY, high_ = -INFINITY;
};

// A row a site, a column a budget.
std::string widths(const Tradeoff& tradeoff) {
  std::string content;
  for (size_t i = 0; i < tradeoff.sites.size(); ++i) {
    const double y = kCell * static_cast<double>(i);
    content += label(kNames - 6, y + 13, "end", tradeoff.sites[i]);
    for (size_t k = 0; k < tradeoff.points.size(); ++k) {
      const int bits = tradeoff.points[k].bits[i];
      const double x = kNames + kCell * static_cast<double>(k);
      content += "<rect x=\"" + number(x) + "\" y=\"" + number(y) +
                 "\" width=\"17\" height=\"17\"" + " fill=\"" + colour(bits) + "\"><title>" +
                 escaped(tradeoff.sites[i]) + ": " + std::to_string(bits) +
                 " bits at an average of " + number(tradeoff.points[k].average_bits) +
                 "</title></rect>\n";
      content += label(x + 8, y + 13, "middle", std::to_string(bits));
    }
  }
  return svg(kNames + kCell * static_cast<double>(tradeoff.points.size()),
             kCell * static_cast<double>(tradeoff.sites.size()), content);
}

}  // namespace

std::string tradeoff_html(const Tradeoff& tradeoff) {
  const std::string title = escaped(tradeoff.title);
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                     title + "</title></head>\n<body style=\"font-family:sans-serif\">\n<h1>" +
                     title + "</h1>\n";
  if (!tradeoff.points.empty()) {
    html += "<h2>Predicted loss</h2>\n" + Curve(tradeoff.points).draw();
    html += "<h2>Bits</h2>\n" + widths(tradeoff);
  }
  return html + "</body></html>\n";
}

}  // namespace halftone
