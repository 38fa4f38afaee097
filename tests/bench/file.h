/* For the small programs beside: a file read whole. */
#ifndef TICKSTREAM_BENCH_FILE_H
#define TICKSTREAM_BENCH_FILE_H

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file, never freed; ends the program when it cannot be read. */
static inline Str file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && (bytes = malloc((size_t)size))) {
        rewind(file);
        size = (long)fread(bytes, 1, (size_t)size, file);
    }
    if (!bytes || fclose(file)) {
        perror(path);
        exit(1);
    }
    return (Str){bytes, (size_t)size};
}

#endif
