/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_config.c - whole configurations against the messages they are known to give.
 *
 * golden/NAME.ini is loaded from its folder; golden/NAME.txt is what must be printed. With
 * CULVERT_WRITE_GOLDEN set the texts are written instead: look at the difference before you keep
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>

#include "config/fixture.h"

/* The text of a file, for free(3); NULL when there is none. */
static char *read_whole(const char *name)
{
    FILE *file = fopen(name, "r");
    char *text = calloc(1, 65536);

    assert_non_null(text);
    if (file == NULL) {
        free(text);
        return NULL;
    }
    size_t length = fread(text, 1, 65535, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static void check_golden(const char *name)
{
    char expected_name[256];
    struct config *config = load_file(name);
    char *got = messages_of(config);

    snprintf(expected_name, sizeof(expected_name), "%.*s.txt", (int)strlen(name) - 4, name);
    if (getenv("CULVERT_WRITE_GOLDEN") != NULL) {
        write_file(expected_name, got);
    } else {
        char *wanted = read_whole(expected_name);

        if (wanted == NULL)
            fail_msg("there is no %s", expected_name);
        else if (strcmp(wanted, got) != 0)
            fail_msg("%s\n---- wanted\n%s---- got\n%s", name, wanted, got);
        free(wanted);
    }
    free(got);
    config_destroy(config);
}

static void test_golden_messages(void **state)
{
    glob_t files;

    (void)state;
    unsetenv("DB_HOST");
    setenv("EDGE_NAME", "edge-1", 1);
    assert_int_equal(chdir(GOLDEN_FOLDER), 0);
    assert_int_equal(glob("*.ini", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 5);
    for (size_t i = 0; i < files.gl_pathc; i++)
        check_golden(files.gl_pathv[i]);
    globfree(&files);
}

/* Whatever became of the test: those behind it write files. */
static int leave_golden_folder(void **state)
{
    (void)state;
    return chdir(fixture_folder);
}

static void test_a_good_configuration_is_valid_and_silent(void **state)
{
    struct config *config = load_good(MINIMAL);

    (void)state;
    assert_true(config_is_valid(config));
    config_destroy(config);
    config_destroy(NULL);
}

static void test_warnings_leave_it_valid(void **state)
{
    struct config *config = load_text(MINIMAL "[pool unused]\nserver = 127.0.0.1:1\n");

    (void)state;
    assert_true(config_is_valid(config));
    config_destroy(config);
}

/* Whatever byte is changed or cut: it loads or it reports, and never anything worse. */
static void test_broken_copies_of_a_configuration(void **state)
{
    static const char good[] = "[culvert]\nname = ${EDGE_NAME:-x}\n" MINIMAL
                               "idle_timeout = 1m30s\n[route r]\nlisten = web\n"
                               "source = 10.0.0.0/8 \"::1\"\npool = p\n"
                               "[pool p]\nserver = a 10.0.0.1:1 weight=2 backup\n";
    static const char bytes[] = "\0\n\"[]=#;$ {}\\\xff";
    char copy[sizeof(good)];

    (void)state;
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
            memcpy(copy, good, sizeof(good));
            copy[i] = bytes[k];
            write_bytes("broken.ini", copy, sizeof(good) - 1);
            struct config *config = load_file("broken.ini");
            char *messages = messages_of(config);
            assert_true(config_is_valid(config) || strstr(messages, "error: ") != NULL);
            free(messages);
            config_destroy(config);
        }
        write_bytes("broken.ini", good, i);
        config_destroy(load_file("broken.ini"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_golden_messages, leave_golden_folder),
        cmocka_unit_test(test_a_good_configuration_is_valid_and_silent),
        cmocka_unit_test(test_warnings_leave_it_valid),
        cmocka_unit_test(test_broken_copies_of_a_configuration),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
