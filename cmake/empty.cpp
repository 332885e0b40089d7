// The shared library is halftone_core as it is; CMake wants a source of its own.
