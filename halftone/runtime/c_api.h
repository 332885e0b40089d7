/* The native runtime for programs in C and everything that can call C: libhalftone_runtime.so.
 *
 *   halftone_session* s = halftone_open("resnet20-w4a4.onnx", 1, message, sizeof message);
 *   const void* inputs[] = {image};
 *   void* outputs[] = {logits};
 *   if (!halftone_run(s, inputs, outputs)) puts(halftone_error(s));
 *   halftone_close(s);
 *
 * Buffers are dense, row-major, of halftone_type() elements. Dimensions that the file leaves open
 * are 1. One run of a session at a time; any number of sessions. */
#ifndef HALFTONE_RUNTIME_C_API_H_
#define HALFTONE_RUNTIME_C_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HALFTONE_API __attribute__((visibility("default")))

typedef struct halftone_session halftone_session;

/* NULL where the file cannot be loaded; then `message` (of `size` bytes, may be NULL) says why.
 * threads: at least 1. */
HALFTONE_API halftone_session* halftone_open(const char* path, int threads, char* message,
                                             size_t size);
HALFTONE_API void halftone_close(halftone_session* session);

HALFTONE_API int halftone_input_count(const halftone_session* session);
HALFTONE_API int halftone_output_count(const halftone_session* session);

/* Inputs are 0, 1, ..., outputs -1, -2, ... The name lives as long as the session; NULL where there
 * is no such port. */
HALFTONE_API const char* halftone_name(const halftone_session* session, int port);
/* ONNX's number of the element type (1: float32, 2: uint8, 3: int8, ...); 0 where there is no such
 * port. */
HALFTONE_API int halftone_type(const halftone_session* session, int port);
/* The number of dimensions; writes the first `most` of them. -1 where there is no such port. */
HALFTONE_API int halftone_shape(const halftone_session* session, int port, int64_t* dims, int most);

/* 1 where it went well. One buffer a port, in order. */
HALFTONE_API int halftone_run(halftone_session* session, const void* const* inputs,
                              void* const* outputs);
/* Of the last run that went wrong. */
HALFTONE_API const char* halftone_error(const halftone_session* session);

#ifdef __cplusplus
}
#endif
#endif
