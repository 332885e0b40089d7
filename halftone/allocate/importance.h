// OMPQ's importance of layers from their orthogonality (Ma et al. 2021, section 3.2).
#pragma once

#include <vector>

namespace halftone {

// gammas: each layer's similarity to all others together, in forward order. theta_i = exp(-beta *
// standardised gamma_i), where gammas are shifted by the least and divided by their standard
// deviation, so that beta means the same for any depth (and nothing underflows). Returns the
// coefficients of bits, > 0: the mean of theta from a layer to the last one, since its error
// reaches all of them.
std::vector<double> importances(const std::vector<double>& gammas, double beta);

}  // namespace halftone
