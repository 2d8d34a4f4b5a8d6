/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h - configurations for tests: files in a folder of their own, and what is said of them.
 *
 * Include it behind <cmocka.h>. Tests run in the folder, so messages begin with bare file names.
 */
#ifndef CULVERT_TESTS_CONFIG_FIXTURE_H
#define CULVERT_TESTS_CONFIG_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

static char fixture_folder[64];

static int fixture_remove(const char *name, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(name);
}

static inline int fixture_set_up(void **state)
{
    (void)state;
    snprintf(fixture_folder, sizeof(fixture_folder), "/tmp/culvert-config-XXXXXX");
    return mkdtemp(fixture_folder) == NULL || chdir(fixture_folder) == -1;
}

static inline int fixture_tear_down(void **state)
{
    (void)state;
    return chdir("/") == -1 || nftw(fixture_folder, fixture_remove, 8, FTW_DEPTH | FTW_PHYS) != 0;
}

static inline void write_bytes(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* Loads a file; looks no names up. */
static inline struct config *load_file(const char *name)
{
    struct config_sources sources = {.files = &name, .file_count = 1};
    struct config *config = config_load(&sources, false);

    assert_non_null(config);
    return config;
}

/* The text as culvert.ini. */
static inline struct config *load_text(const char *text)
{
    write_file("culvert.ini", text);
    return load_file("culvert.ini");
}

/* What is wrong with it, for free(3). */
static inline char *messages_of(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    config_print_diagnostics(config, out, false, false, false);
    fclose(out);
    return text;
}

static inline char *dump_of(const struct config *config, enum config_dump what)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    config_dump(config, out, what);
    fclose(out);
    return text;
}

/* The text loads with nothing to say about it. */
static inline struct config *load_good(const char *text)
{
    struct config *config = load_text(text);
    char *messages = messages_of(config);

    if (messages[0] != '\0')
        fail_msg("%s\n%s", text, messages);
    free(messages);
    assert_true(config_is_valid(config));
    return config;
}

/* Loading the file says `message` somewhere. */
static inline void expect_in_file(const char *name, const char *message)
{
    struct config *config = load_file(name);
    char *messages = messages_of(config);

    if (strstr(messages, message) == NULL)
        fail_msg("wanted: %s\ngot: %s", message, messages);
    free(messages);
    config_destroy(config);
}

static inline void expect(const char *text, const char *message)
{
    write_file("culvert.ini", text);
    expect_in_file("culvert.ini", message);
}

/* The least that is a configuration. */
#define MINIMAL "[listen web]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n"

#endif
