#include "halftone/runtime/c_api.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "halftone/onnx/reader.h"
#include "halftone/runtime/session.h"

struct halftone_session {
  halftone::runtime::Session session;
};

namespace {

using halftone::runtime::Port;

const Port* port_at(const halftone_session* s, int index) {
  const auto& ports = index >= 0 ? s->session.inputs() : s->session.outputs();
  const auto at = static_cast<size_t>(index >= 0 ? index : -1 - index);
  return at < ports.size() ? &ports[at] : nullptr;
}

void tell(const char* what, char* message, size_t size) {
  if (!message || size == 0) return;
  const size_t length = std::min(std::strlen(what), size - 1);
  std::memcpy(message, what, length);
  message[length] = '\0';
}

}  // namespace

halftone_session* halftone_open(const char* path, int threads, char* message, size_t size) {
  try {
    auto program = std::make_shared<halftone::runtime::Program>(
        halftone::runtime::load_program(halftone::read_model(path)));
    return new halftone_session{
        halftone::runtime::Session(std::move(program), {.threads = std::clamp(threads, 1, 1024)})};
  } catch (const std::exception& error) {
    tell(error.what(), message, size);
    return nullptr;
  }
}

void halftone_close(halftone_session* session) { delete session; }

int halftone_input_count(const halftone_session* s) {
  return static_cast<int>(s->session.inputs().size());
}
int halftone_output_count(const halftone_session* s) {
  return static_cast<int>(s->session.outputs().size());
}

const char* halftone_name(const halftone_session* s, int index) {
  const Port* port = port_at(s, index);
  return port ? port->name.c_str() : nullptr;
}

int halftone_type(const halftone_session* s, int index) {
  const Port* port = port_at(s, index);
  return port ? static_cast<int>(port->dtype) : 0;
}

int halftone_shape(const halftone_session* s, int index, int64_t* dims, int most) {
  const Port* port = port_at(s, index);
  if (!port) return -1;
  for (size_t d = 0; d < port->shape.size() && static_cast<int>(d) < most; ++d)
    dims[d] = port->shape[d];
  return static_cast<int>(port->shape.size());
}

int halftone_run(halftone_session* s, const void* const* inputs, void* const* outputs) {
  return s->session.run({inputs, s->session.inputs().size()},
                        {outputs, s->session.outputs().size()})
             ? 1
             : 0;
}

const char* halftone_error(const halftone_session* s) { return s->session.error().c_str(); }
