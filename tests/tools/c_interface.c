/* The C interface from C: opens a model and prints its ports. */
#include "halftone/runtime/c_api.h"

#include <stdio.h>

int main(int argc, char** argv) {
  char message[256] = "give a model";
  halftone_session* session = argc == 2 ? halftone_open(argv[1], 1, message, sizeof message) : NULL;
  if (!session) {
    fprintf(stderr, "%s\n", message);
    return 1;
  }
  for (int i = 0; i < halftone_input_count(session); ++i)
    printf("input %s of type %d\n", halftone_name(session, i), halftone_type(session, i));
  for (int i = 1; i <= halftone_output_count(session); ++i)
    printf("output %s of type %d\n", halftone_name(session, -i), halftone_type(session, -i));
  halftone_close(session);
  return 0;
}
