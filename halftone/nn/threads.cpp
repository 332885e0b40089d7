#include "halftone/nn/threads.h"

#include <ATen/Parallel.h>

namespace halftone {

OneTorchThread::OneTorchThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
OneTorchThread::~OneTorchThread() { at::set_num_threads(before_); }

// The number of OpenMP threads is a property of each thread: take over what was set for the
// process.
void OneTorchThread::enter_worker() { at::init_num_threads(); }

}  // namespace halftone
