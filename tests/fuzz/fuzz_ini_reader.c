/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ini_reader.c - any bytes as a configuration: read, checked, and, when accepted, dumped and
 * read again to the same dump.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_parts.h"
#include "config/snapshot_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Text that would make the target read or look for files, which is not what is tested here. */
static int touches_files(const char *text)
{
    return strstr(text, "include") != NULL || strchr(text, '@') != NULL;
}

static char *dump(struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        abort();
    config_dump(config, out, CONFIG_DUMP_SET);
    fclose(out);
    return text;
}

/* The dump without the origins, whose line numbers differ. */
static void strip_origins(char *text)
{
    char *out = text;

    for (char *line = text; *line != '\0';) {
        char *end = strchr(line, '\n');
        char *last = NULL;

        for (char *found = line; (found = strstr(found, "  # ")) != NULL && found < end; found++)
            last = found;
        size_t length = (size_t)((last == NULL ? end : last) - line);
        memmove(out, line, length);
        out += length;
        *out++ = '\n';
        line = end + 1;
    }
    *out = '\0';
}

static struct config *load(const char *text)
{
    struct config_sources sources = {.quick_ini = text};
    struct config *config = config_load(&sources, false);

    if (config == NULL)
        abort();
    return config;
}

static void check_accepted(struct config *config)
{
    char *first = dump(config);
    struct config *again = load(first);

    snapshot_unref(config_snapshot(config));
    if (!config_is_valid(again)) {
        config_print_diagnostics(again, stderr, false, false, false);
        fprintf(stderr, "%s", first);
        abort();
    }
    char *second = dump(again);
    strip_origins(first);
    strip_origins(second);
    if (strcmp(first, second) != 0) {
        fprintf(stderr, "%s----\n%s", first, second);
        abort();
    }
    free(first);
    free(second);
    config_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static FILE *nowhere;
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (!touches_files(text)) {
        struct config *config = load(text);

        config_print_diagnostics(config, nowhere, true, true, false);
        config_print_diagnostics(config, nowhere, false, true, true);
        if (config_is_valid(config))
            check_accepted(config);
        config_destroy(config);
    }
    free(text);
    return 0;
}
