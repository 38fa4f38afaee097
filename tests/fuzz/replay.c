/*
 * Runs a fuzz target on files, or on all files of folders: the regressions and the sample bodies,
 * with any compiler. Stands in for libFuzzer's main().
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>

static size_t replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    CHECK(size >= 0);
    rewind(file);
    /* of the exact size, so that valgrind and ASan see a read beyond it */
    uint8_t *data = malloc(size ? (size_t)size : 1);
    CHECK(data && fread(data, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    if (LLVMFuzzerTestOneInput(data, (size_t)size) != 0) {
        abort();
    }
    free(data);
    replayed++;
}

static void replay(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        if (errno != ENOENT) {
            replay_file(path);
        }
        return; /* a target without regressions has no folder */
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        char inside[1024];
        if (entry->d_name[0] != '.') {
            snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
            replay(inside);
        }
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    printf("%s: %zu inputs replayed\n", argv[0], replayed);
    return replayed ? 0 : 1;
}
