// LibTorch with one thread inside each worker: what makes results independent of the number of
// workers.
#pragma once

namespace halftone {

// While it lives, LibTorch computes with one thread in the thread that made it, and in others after
// enter_worker().
class OneTorchThread {
 public:
  OneTorchThread();
  ~OneTorchThread();
  OneTorchThread(const OneTorchThread&) = delete;
  OneTorchThread& operator=(const OneTorchThread&) = delete;

  // To be called in each worker before it computes; cheap.
  static void enter_worker();

 private:
  int before_;
};

}  // namespace halftone
