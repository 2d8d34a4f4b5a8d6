/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_inspect.c - the commands that start nothing: their exit codes and what they print.
 */
#include "daemon/inspect.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "relay/close_reason.h"

static char output[65536];

/* Runs the command with both output streams caught in `output`. */
static int run_words(char **words)
{
    struct command_line line;
    struct error error = {.text = ""};
    FILE *file = tmpfile();
    int kept_out = dup(STDOUT_FILENO);
    int kept_err = dup(STDERR_FILENO);
    int count = 0;
    int exit_code = -1;

    while (words[count] != NULL)
        count++;
    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    if (command_line_parse(&line, count, words, &error))
        exit_code = inspect_run(&line);
    command_line_release(&line);
    fflush(stdout);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    close(kept_out);
    close(kept_err);
    rewind(file);
    output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
    fclose(file);
    return exit_code;
}

#define RUN(...) run_words((char *[]){"culvert", __VA_ARGS__, NULL})

static void test_a_good_configuration_is_called_good_with_its_budget(void **state)
{
    (void)state;
    assert_int_equal(RUN("-t", "127.0.0.1:0", "127.0.0.1:1"), EX_OK);
    assert_non_null(strstr(output, "the configuration is good\n"));
    assert_non_null(strstr(output, "fds: "));
}

static void test_a_bad_configuration_is_78_with_the_place(void **state)
{
    (void)state;
    assert_int_equal(RUN("-t", "8080", "127.0.0.1:1", "-s", "listen.main.idle_timout=5m"),
                     EX_CONFIG);
    assert_non_null(strstr(output, "error: "));
    assert_non_null(strstr(output, "idle_timeout"));
    assert_null(strstr(output, "good"));
    assert_int_equal(RUN("-T", "8080", "127.0.0.1:1", "-s", "listen.main.x=5"), EX_CONFIG);
}

static void test_too_many_connections_are_a_warning_here(void **state)
{
    (void)state;
    assert_int_equal(RUN("-t", "8080", "127.0.0.1:1", "-s", "limits.max_connections=500000000",
                         "-s", "culvert.open_files=100"),
                     EX_OK);
    assert_non_null(strstr(output, "warning: "));
}

static void test_a_dump_loads_again(void **state)
{
    (void)state;
    assert_int_equal(RUN("-T", "127.0.0.1:0", "127.0.0.1:1"), EX_OK);
    assert_non_null(strstr(output, "[listen main]"));
    assert_int_equal(RUN("-Tjson", "127.0.0.1:0", "127.0.0.1:1"), EX_OK);
    assert_int_equal(output[0], '{');
}

static void test_every_close_reason_is_explained(void **state)
{
    (void)state;
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        char word[64];

        snprintf(word, sizeof(word), "%s", close_reason_word((enum close_reason)i));
        assert_int_equal(RUN("explain", "close", word), EX_OK);
        assert_non_null(strstr(output, "caused by"));
        assert_null(strstr(output, "(null)"));
    }
    assert_int_equal(RUN("explain", "close"), EX_OK);
    assert_non_null(strstr(output, "drained"));
    assert_int_equal(RUN("explain", "close", "drainde"), 1);
    assert_non_null(strstr(output, "did you mean 'drained'?"));
    assert_int_equal(RUN("explain", "close", "idle"), 1);
    assert_non_null(strstr(output, "did you mean 'idle_timeout'?"));
}

static void test_keys_are_explained(void **state)
{
    (void)state;
    assert_int_equal(RUN("explain", "listen.idle_timeout"), EX_OK);
    assert_non_null(strstr(output, "1h"));
    assert_int_equal(RUN("help", "no_such_key_at_all"), 1);
}

static void test_version_help_and_default(void **state)
{
    (void)state;
    assert_int_equal(RUN("-V"), EX_OK);
    assert_string_equal(output, "culvert " CULVERT_VERSION "\n");
    assert_int_equal(RUN("-V", "-v"), EX_OK);
    assert_non_null(strstr(output, "libevent  2."));
    assert_non_null(strstr(output, "xxhash    0."));
    assert_int_equal(RUN("--help"), EX_OK);
    assert_memory_equal(output, "Usage: culvert", 14);
    assert_int_equal(RUN("--print-default"), EX_OK);
    assert_string_equal(output, config_embedded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_configuration_is_called_good_with_its_budget),
        cmocka_unit_test(test_a_bad_configuration_is_78_with_the_place),
        cmocka_unit_test(test_too_many_connections_are_a_warning_here),
        cmocka_unit_test(test_a_dump_loads_again),
        cmocka_unit_test(test_every_close_reason_is_explained),
        cmocka_unit_test(test_keys_are_explained),
        cmocka_unit_test(test_version_help_and_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
