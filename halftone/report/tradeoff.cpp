#include "halftone/report/tradeoff.h"

#include <algorithm>
#include <cmath>

#include "halftone/report/drawing.h"

namespace halftone {
namespace {

constexpr double kWidth = 760, kHeight = 300, kLeft = 70, kBottom = 40, kTop = 16;

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
      content += "<path d=\"M" + drawn_number(kLeft) + " " + drawn_number(at) + "H" +
                 drawn_number(kWidth) + "\" stroke=\"#ddd\"/>\n";
      content += drawn_text(kLeft - 6, at + 4, "end", "1e" + drawn_number(decade));
    }
    for (const TradeoffPoint& point : points_) {
      line += drawn_number(x(point)) + "," + drawn_number(y(point.loss)) + " ";
      content += "<circle cx=\"" + drawn_number(x(point)) + "\" cy=\"" +
                 drawn_number(y(point.loss)) + "\" r=\"3\"><title>" +
                 drawn_number(point.average_bits) + " bits, " + drawn_number(point.weight_bytes) +
                 " bytes, loss " + drawn_number(point.loss) + "</title></circle>\n";
    }
    content += "<polyline fill=\"none\" stroke=\"#333\" points=\"" + line + "\"/>\n";
    for (double bits = std::ceil(first_); bits <= last_; ++bits)
      content += drawn_text(x_of(bits), kHeight - kBottom + 16, "middle", drawn_number(bits));
    content += drawn_text((kLeft + kWidth) / 2, kHeight - 6, "middle", "average bits of weights");
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

}  // namespace

std::string tradeoff_html(const Tradeoff& tradeoff) {
  if (tradeoff.points.empty()) return html_page(tradeoff.title, "");
  std::vector<BitsColumn> columns;
  for (const TradeoffPoint& point : tradeoff.points)
    columns.push_back({"at an average of " + drawn_number(point.average_bits), point.bits});
  return html_page(tradeoff.title, "<h2>Predicted loss</h2>\n" + Curve(tradeoff.points).draw() +
                                       "<h2>Bits</h2>\n" + bits_map(tradeoff.sites, columns));
}

}  // namespace halftone
