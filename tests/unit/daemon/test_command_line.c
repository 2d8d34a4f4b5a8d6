/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_command_line.c - options, subcommands, the quick run, and what is said about mistakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/command_line.h"

static struct command_line line;
static struct error error;

static bool parse_words(char **words)
{
    int count = 0;

    while (words[count] != NULL)
        count++;
    error = (struct error){.text = ""};
    command_line_release(&line);
    return command_line_parse(&line, count, words, &error);
}

/* Parses `culvert` with these arguments. */
#define PARSE(...) parse_words((char *[]){"culvert", __VA_ARGS__, NULL})

static void refused(bool is_parsed, const char *text)
{
    assert_false(is_parsed);
    assert_int_equal(error.exit_code, EX_USAGE);
    assert_string_equal(error.text, text);
}

static int release_line(void **state)
{
    (void)state;
    command_line_release(&line);
    return 0;
}

static void test_no_argument_runs_with_the_default_files(void **state)
{
    (void)state;
    assert_true(parse_words((char *[]){"culvert", NULL}));
    assert_int_equal(line.command, COMMAND_RUN);
    assert_int_equal(line.sources.file_count, 0);
    assert_int_equal(line.sources.override_count, 0);
    assert_null(line.sources.quick_ini);
    assert_int_equal(line.color, -1);
}

static void test_files_and_overrides_keep_their_order(void **state)
{
    (void)state;
    assert_true(PARSE("-c", "a.ini", "--config=b", "-s", "log.level=warn", "--set",
                      "listen.web.bind=:1", "-v"));
    assert_int_equal(line.sources.file_count, 2);
    assert_string_equal(line.sources.files[0], "a.ini");
    assert_string_equal(line.sources.files[1], "b");
    assert_int_equal(line.sources.override_count, 3);
    assert_string_equal(line.sources.overrides[0], "log.level=warn");
    assert_string_equal(line.sources.overrides[1], "listen.web.bind=:1");
    assert_string_equal(line.sources.overrides[2], "log.level=debug");
}

static void test_commands_by_option(void **state)
{
    (void)state;
    assert_true(PARSE("-t"));
    assert_int_equal(line.command, COMMAND_TEST);
    assert_true(PARSE("--test", "--explain", "--format", "json"));
    assert_true(line.explain && line.json);
    assert_true(PARSE("-T"));
    assert_int_equal(line.command, COMMAND_DUMP);
    assert_int_equal(line.dump, CONFIG_DUMP_SET);
    assert_true(PARSE("-Tall"));
    assert_int_equal(line.dump, CONFIG_DUMP_ALL);
    assert_true(PARSE("-T=json")); /* as the pages and --help write it */
    assert_int_equal(line.dump, CONFIG_DUMP_JSON);
    assert_true(PARSE("--dump-config=changed"));
    assert_int_equal(line.dump, CONFIG_DUMP_CHANGED);
    assert_true(PARSE("-Tjson", "8080", "builtin:echo"));
    assert_int_equal(line.dump, CONFIG_DUMP_JSON);
    assert_non_null(line.sources.quick_ini);
    assert_true(PARSE("--print-default"));
    assert_int_equal(line.command, COMMAND_PRINT_DEFAULT);
    assert_true(PARSE("-h"));
    assert_int_equal(line.command, COMMAND_HELP);
    assert_true(PARSE("-V", "-v"));
    assert_int_equal(line.command, COMMAND_VERSION);
    assert_true(line.verbose);
}

static void test_subcommands_keep_their_own_options(void **state)
{
    (void)state;
    assert_true(PARSE("ctl", "sessions", "--json", "-x"));
    assert_int_equal(line.command, COMMAND_CTL);
    assert_int_equal(line.ctl_argc, 4);
    assert_string_equal(line.ctl_argv[0], "ctl");
    assert_string_equal(line.ctl_argv[2], "--json");
    assert_true(parse_words((char *[]){"/usr/bin/culvertctl", "status", NULL}));
    assert_int_equal(line.command, COMMAND_CTL);
    assert_int_equal(line.ctl_argc, 2);
    assert_string_equal(line.ctl_argv[1], "status");
    assert_true(PARSE("-v", "ctl", "ready"));
    assert_int_equal(line.ctl_argc, 2);
}

static void test_explain(void **state)
{
    (void)state;
    assert_true(PARSE("explain"));
    assert_int_equal(line.command, COMMAND_EXPLAIN);
    assert_null(line.word);
    assert_true(PARSE("explain", "listen.bind"));
    assert_string_equal(line.word, "listen.bind");
    assert_true(PARSE("help", "bind"));
    assert_int_equal(line.command, COMMAND_EXPLAIN);
    assert_string_equal(line.word, "bind");
    assert_true(PARSE("help"));
    assert_int_equal(line.command, COMMAND_HELP);
    assert_true(PARSE("explain", "close", "drained"));
    assert_int_equal(line.command, COMMAND_EXPLAIN_CLOSE);
    assert_string_equal(line.word, "drained");
    assert_true(PARSE("explain", "--format", "markdown"));
    assert_int_equal(line.command, COMMAND_REFERENCE);
    assert_true(PARSE("explain", "--format=markdown"));
    assert_int_equal(line.command, COMMAND_REFERENCE);
    refused(PARSE("explain", "--format", "scd"), "explain --format wants markdown, not 'scd'");
    assert_true(PARSE("explain", "route"));
    assert_int_equal(line.command, COMMAND_EXPLAIN);
    assert_true(PARSE("explain", "route", "--listen", "x", "--from=10.0.0.1", "-c", "a.ini",
                      "--sni", "a.test", "--alpn", "h2", "-s", "a.b=c"));
    assert_int_equal(line.command, COMMAND_EXPLAIN_ROUTE);
    assert_string_equal(line.client.listener, "x");
    assert_string_equal(line.client.from, "10.0.0.1");
    assert_string_equal(line.client.sni, "a.test");
    assert_string_equal(line.client.alpn, "h2");
    assert_int_equal(line.sources.file_count, 1);
    assert_int_equal(line.sources.override_count, 1);
    assert_true(PARSE("-c", "a.ini", "explain", "route", "--from", "::1"));
    assert_int_equal(line.sources.file_count, 1);
    assert_null(line.client.listener);
    refused(PARSE("explain", "route", "--from"), "option --from needs a value");
    refused(PARSE("explain", "route", "--form", "x"),
            "explain route has no '--form'; it takes --listen, --from, --sni, --alpn, -c and -s");
    refused(PARSE("explain", "route", "web"),
            "explain route has no 'web'; it takes --listen, --from, --sni, --alpn, -c and -s");
    refused(PARSE("explain", "a", "b"), "explain wants one word, such as listen.bind");
}

static void test_the_quick_run_becomes_ini(void **state)
{
    (void)state;
    assert_true(PARSE("8080", "10.0.0.5:80"));
    assert_string_equal(line.sources.quick_ini,
                        "[listen main]\nbind = :8080\nserver = 10.0.0.5:80\n");
    assert_true(PARSE("127.0.0.1:1", "a:1", "b 10.0.0.2:2 weight=3", "3000", "-q"));
    assert_string_equal(line.sources.quick_ini,
                        "[listen main]\nbind = 127.0.0.1:1\nserver = a:1\n"
                        "server = b 10.0.0.2:2 weight=3\nserver = 127.0.0.1:3000\n");
    assert_string_equal(line.sources.overrides[0], "log.level=warn");
    assert_true(PARSE("-l", "8080", "--listen", "unix:/tmp/x", "--to", "builtin:echo"));
    assert_string_equal(line.sources.quick_ini,
                        "[listen main]\nbind = :8080\nbind = unix:/tmp/x\nserver = builtin:echo\n");
    assert_true(PARSE("-l", "8080", "a:1"));
    assert_string_equal(line.sources.quick_ini, "[listen main]\nbind = :8080\nserver = a:1\n");
}

static void test_the_quick_run_tells_who_the_client_is(void **state)
{
    (void)state;
    assert_true(PARSE("8080", "a:1", "--send-proxy", "v2"));
    assert_string_equal(line.sources.quick_ini, "[listen main]\nbind = :8080\nserver = a:1\n"
                                                "[defaults]\nsend_proxy = v2\n");
}

static void test_the_quick_run_terminates_tls(void **state)
{
    (void)state;
    assert_true(PARSE("--tls", "/etc/culvert/tls", "8443", "a:1"));
    assert_string_equal(line.sources.quick_ini, "[listen main]\nbind = :8443\nserver = a:1\n"
                                                "tls = /etc/culvert/tls\n");
    /* A bare word is a path as well, even one of digits. */
    assert_true(PARSE("8443", "a:1", "--tls=443"));
    assert_string_equal(line.sources.quick_ini,
                        "[listen main]\nbind = :8443\nserver = a:1\ntls = ./443\n");
    assert_false(PARSE("8443", "a:1", "--tls", "x\n[admin]"));
}

static void test_the_quick_run_adds_no_meaning_to_its_words(void **state)
{
    (void)state;
    assert_true(PARSE("8080", "unix:/tmp/${HOME}"));
    assert_string_equal(line.sources.quick_ini,
                        "[listen main]\nbind = :8080\nserver = unix:/tmp/$${HOME}\n");
    assert_false(PARSE("8080", "a:1\n[admin]"));
    assert_int_equal(error.exit_code, EX_USAGE);
    assert_false(PARSE("8080", "a:1 # comment"));
    assert_false(PARSE("8080", "\"a:1\""));
}

static void test_mistakes_are_answered_with_what_was_meant(void **state)
{
    (void)state;
    refused(PARSE("--confg", "x"), "unknown option --confg; did you mean --config?");
    refused(PARSE("--wibble-wobble"), "unknown option --wibble-wobble");
    refused(PARSE("-x"), "unknown option -x");
    refused(PARSE("-tx"), "unknown option -x");
    refused(PARSE("-c"), "option -c needs a value");
    refused(PARSE("--log-level"), "option --log-level needs a value");
    refused(PARSE("--log-level", "loud"),
            "--log-level wants error, warn, info, debug or trace, not 'loud'");
    refused(PARSE("--color=blue"), "--color wants auto, always or never, not 'blue'");
    refused(PARSE("-Tsome"), "-T wants all, changed or json, not 'some'");
    refused(PARSE("-T=some"), "-T wants all, changed or json, not 'some'");
    refused(PARSE("--explain"), "--explain goes with -t");
    refused(PARSE("8080"), "where to relay to? for example: culvert 8080 10.0.0.5:80");
    refused(PARSE("--to", "a:1"), "where to listen? add -l ADDR");
    refused(PARSE("culvert.ini"), "'culvert.ini' is no address; did you mean -c culvert.ini?");
    refused(PARSE("explian", "x"), "unknown command 'explian'; did you mean 'explain'?");
    refused(PARSE("-c", "x", "8080", "a:1"),
            "-c and a quick run exclude each other; override with -s instead");
    refused(PARSE("--tls", "x"),
            "--tls belongs to a quick run; for a file use -s listen.NAME.tls=PATH");
    refused(PARSE("--send-proxy", "v2"),
            "--send-proxy belongs to a quick run; for a file use -s defaults.send_proxy=VERSION");
}

static void test_color_follows_the_conventions(void **state)
{
    (void)state;
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    assert_true(command_line_wants_color(1, -1));
    assert_false(command_line_wants_color(0, -1));
    assert_false(command_line_wants_color(-1, -1)); /* no terminal */
    setenv("CLICOLOR_FORCE", "1", 1);
    assert_true(command_line_wants_color(-1, -1));
    setenv("NO_COLOR", "1", 1);
    assert_false(command_line_wants_color(-1, -1));
    assert_true(command_line_wants_color(1, -1));
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
}

static void test_help_fits_a_screen(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    unsigned lines = 0;
    size_t column = 0;

    (void)state;
    assert_non_null(out);
    command_line_print_help(out);
    fclose(out);
    for (size_t i = 0; i < size; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        lines += text[i] == '\n';
        assert_in_range(column, 0, 80);
    }
    assert_in_range(lines, 10, 25);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_argument_runs_with_the_default_files),
        cmocka_unit_test(test_files_and_overrides_keep_their_order),
        cmocka_unit_test(test_commands_by_option),
        cmocka_unit_test(test_subcommands_keep_their_own_options),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_the_quick_run_becomes_ini),
        cmocka_unit_test(test_the_quick_run_tells_who_the_client_is),
        cmocka_unit_test(test_the_quick_run_terminates_tls),
        cmocka_unit_test(test_the_quick_run_adds_no_meaning_to_its_words),
        cmocka_unit_test(test_mistakes_are_answered_with_what_was_meant),
        cmocka_unit_test(test_color_follows_the_conventions),
        cmocka_unit_test(test_help_fits_a_screen),
    };

    return cmocka_run_group_tests(tests, NULL, release_line);
}
