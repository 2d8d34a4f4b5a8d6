/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_output.c - each kind of output, and what happens when it does not take a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/log_output.h"

static char folder[] = "/tmp/culvert-log-XXXXXX";
static struct error error;

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static const char *contents(const char *name)
{
    static char bytes[4096];
    FILE *file = fopen(in_folder(name), "r");
    size_t length;

    assert_non_null(file);
    length = fread(bytes, 1, sizeof(bytes) - 1, file);
    bytes[length] = '\0';
    fclose(file);
    return bytes;
}

static bool open_as(struct log_output *output, const char *target, int format)
{
    struct log_output_options options = {
        .target = target, .format = format, .color = -1, .timestamps = -1};

    error = (struct error){.text = ""};
    return log_output_open(output, &options, &error);
}

static enum log_output_answer say(struct log_output *output, const char *line, int64_t now_ms)
{
    return log_output_write(output, line, strlen(line), now_ms);
}

static void hello(const void *payload, size_t size, struct log_line *line)
{
    (void)payload;
    (void)size;
    log_line_begin(line, "hello");
    log_line_end(line);
}

static const char *word_hello(const struct log_output *output)
{
    static char memory[256];
    struct text text = text_over(memory, sizeof(memory));
    struct log_record record = {
        .wall_us = 1795377600123456, .expand = hello, .level = LOG_WARN, .size = 0};

    log_output_word(output, &record, &text);
    return memory;
}

static void test_a_file_is_appended_to_in_logfmt(void **state)
{
    struct log_output output;

    (void)state;
    assert_true(open_as(&output, in_folder("file"), -1));
    assert_int_equal(output.format, LOG_LOGFMT);
    assert_string_equal(word_hello(&output),
                        "time=2026-11-22T20:00:00.123Z level=warn event=hello\n");
    assert_int_equal(say(&output, "one\n", 0), LOG_OUTPUT_WRITTEN);
    log_output_close(&output);
    assert_true(open_as(&output, in_folder("file"), LOG_JSON));
    assert_int_equal(say(&output, "two\n", 0), LOG_OUTPUT_WRITTEN);
    log_output_close(&output);
    log_output_close(&output); /* may run twice */
    assert_string_equal(contents("file"), "one\ntwo\n");
}

static void test_an_impossible_file_is_a_configuration_error(void **state)
{
    struct log_output output;

    (void)state;
    assert_false(open_as(&output, in_folder("no/such/file"), -1));
    assert_int_equal(error.exit_code, EX_CONFIG);
    assert_non_null(strstr(error.text, "no/such/file: No such file or directory"));
    log_output_close(&output);
}

static void test_a_renamed_file_is_left_behind_on_reopen(void **state)
{
    struct log_output output;
    char old[128];

    (void)state;
    assert_true(open_as(&output, in_folder("rotated"), -1));
    assert_int_equal(say(&output, "one\n", 0), LOG_OUTPUT_WRITTEN);
    strcpy(old, in_folder("rotated"));
    assert_int_equal(rename(old, in_folder("rotated.1")), 0);
    assert_int_equal(say(&output, "two\n", 0), LOG_OUTPUT_WRITTEN);
    assert_true(log_output_reopen(&output));
    assert_int_equal(say(&output, "three\n", 0), LOG_OUTPUT_WRITTEN);
    assert_string_equal(contents("rotated.1"), "one\ntwo\n");
    assert_string_equal(contents("rotated"), "three\n");
    log_output_close(&output);
}

static void test_a_failed_reopen_keeps_the_old_file(void **state)
{
    struct log_output output;
    char path[128];

    (void)state;
    assert_int_equal(mkdir(in_folder("logs"), 0700), 0);
    strcpy(path, in_folder("logs/log"));
    assert_true(open_as(&output, path, -1));
    assert_int_equal(rename(path, in_folder("kept")), 0);
    assert_int_equal(rmdir(in_folder("logs")), 0);
    assert_false(log_output_reopen(&output));
    assert_int_equal(say(&output, "still\n", 0), LOG_OUTPUT_WRITTEN);
    assert_string_equal(contents("kept"), "still\n");
    log_output_close(&output);
}

static void test_a_full_disk_loses_lines_and_counts_them(void **state)
{
    struct log_output output;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int file;

    (void)state;
    assert_true(full != -1);
    assert_true(open_as(&output, in_folder("full"), -1));
    file = output.fd;
    output.fd = full;
    assert_int_equal(say(&output, "one\n", 0), LOG_OUTPUT_LOST);
    assert_int_equal(say(&output, "two\n", 0), LOG_OUTPUT_LOST);
    assert_int_equal(output.lost, 2);
    assert_int_equal(output.lost_error, ENOSPC);
    output.fd = file;
    assert_int_equal(say(&output, "three\n", 0), LOG_OUTPUT_RECOVERED);
    assert_int_equal(output.lost, 2);
    assert_int_equal(say(&output, "four\n", 0), LOG_OUTPUT_WRITTEN);
    close(full);
    log_output_close(&output);
}

static void test_a_fifo_without_a_reader_never_blocks(void **state)
{
    struct log_output output;
    char bytes[64];
    int reader;

    (void)state;
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_true(open_as(&output, in_folder("fifo"), -1));
    assert_int_equal(say(&output, "one\n", 1000), LOG_OUTPUT_LOST);
    reader = open(in_folder("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader != -1);
    assert_int_equal(say(&output, "two\n", 1500), LOG_OUTPUT_LOST); /* too early to try again */
    assert_int_equal(say(&output, "three\n", 2100), LOG_OUTPUT_RECOVERED);
    assert_int_equal(read(reader, bytes, sizeof(bytes)), 6);
    close(reader);
    assert_int_equal(say(&output, "four\n", 2200), LOG_OUTPUT_LOST); /* EPIPE */
    assert_int_equal(output.lost_error, EPIPE);
    log_output_close(&output);
}

static void test_a_torn_line_is_ended_before_the_next(void **state)
{
    static char longer[200000];
    struct log_output output;
    char bytes[65536];
    ssize_t length;
    char last = 0;
    int reader;

    (void)state;
    assert_int_equal(mkfifo(in_folder("torn"), 0600), 0);
    reader = open(in_folder("torn"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader != -1);
    assert_true(open_as(&output, in_folder("torn"), -1));
    memset(longer, 'x', sizeof(longer) - 1);
    assert_int_equal(say(&output, longer, 0), LOG_OUTPUT_LOST);
    while ((length = read(reader, bytes, sizeof(bytes))) > 0)
        last = bytes[length - 1];
    assert_int_equal(last, 'x');
    assert_int_equal(say(&output, "next\n", 0), LOG_OUTPUT_RECOVERED);
    assert_int_equal(read(reader, bytes, sizeof(bytes)), 6);
    assert_memory_equal(bytes, "\nnext\n", 6);
    close(reader);
    log_output_close(&output);
}

static int syslog_daemon(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(strlen(in_folder(name)) < sizeof(addr.sun_path));
    strcpy(addr.sun_path, in_folder(name));
    unlink(addr.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void test_syslog_survives_a_restart_of_its_daemon(void **state)
{
    struct log_output output;
    char target[160];
    char bytes[64];
    int daemon;

    (void)state;
    snprintf(target, sizeof(target), "syslog:%s", in_folder("dev-log"));
    assert_true(open_as(&output, target, -1)); /* nobody there is no error */
    assert_int_equal(say(&output, "one", 1000), LOG_OUTPUT_LOST);
    daemon = syslog_daemon("dev-log");
    assert_int_equal(say(&output, "two", 2100), LOG_OUTPUT_RECOVERED);
    assert_int_equal(read(daemon, bytes, sizeof(bytes)), 3);
    close(daemon);
    daemon = syslog_daemon("dev-log");
    assert_int_equal(say(&output, "three", 4000), LOG_OUTPUT_WRITTEN); /* reconnected at once */
    assert_int_equal(read(daemon, bytes, sizeof(bytes)), 5);
    close(daemon);
    log_output_close(&output);
}

static void test_syslog_headers(void **state)
{
    struct log_output output;
    char expected[256];
    char target[160];

    (void)state;
    setenv("TZ", "UTC", 1);
    snprintf(target, sizeof(target), "syslog:%s", in_folder("dev-log"));
    assert_true(open_as(&output, target, -1));
    snprintf(expected, sizeof(expected), "<28>Nov 22 20:00:00 culvert[%d]: level=warn event=hello",
             (int)getpid());
    assert_string_equal(word_hello(&output), expected);
    log_output_close(&output);

    assert_true(open_as(&output, "syslog:127.0.0.1:5514", -1));
    assert_int_equal(output.syslog_addr.port, 5514);
    snprintf(expected, sizeof(expected),
             "<28>1 2026-11-22T20:00:00.123Z %s culvert %d - - level=warn event=hello", output.host,
             (int)getpid());
    assert_string_equal(word_hello(&output), expected);
    log_output_close(&output);

    assert_true(open_as(&output, "syslog:[::1]:99", -1));
    assert_int_equal(output.syslog_addr.port, 99);
    log_output_close(&output);
    assert_true(open_as(&output, "syslog:::1", -1));
    assert_int_equal(output.syslog_addr.port, 514);
    log_output_close(&output);
    assert_false(open_as(&output, "syslog:nowhere", -1));
    assert_int_equal(error.exit_code, EX_CONFIG);
    log_output_close(&output);
    assert_false(open_as(&output, "syslog:127.0.0.1:x", -1));
    log_output_close(&output);
}

static void test_journald_lines_carry_their_priority(void **state)
{
    struct log_output output;

    (void)state;
    assert_true(open_as(&output, "journald", -1));
    assert_string_equal(word_hello(&output), "<4>level=warn event=hello\n");
    log_output_close(&output);
}

static void test_no_timestamps_under_the_journal(void **state)
{
    struct log_output output;

    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    assert_true(open_as(&output, "stderr", LOG_LOGFMT));
    assert_false(output.with_time);
    assert_true(open_as(&output, in_folder("file"), -1));
    assert_true(output.with_time);
    log_output_close(&output);
    unsetenv("JOURNAL_STREAM");
    assert_true(open_as(&output, "stderr", LOG_LOGFMT));
    assert_true(output.with_time);
}

static int make_folder(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"file", "rotated", "rotated.1", "kept",   "full",
                                        "fifo", "torn",    "dev-log",   "logs/x", "logs"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        remove(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_appended_to_in_logfmt),
        cmocka_unit_test(test_an_impossible_file_is_a_configuration_error),
        cmocka_unit_test(test_a_renamed_file_is_left_behind_on_reopen),
        cmocka_unit_test(test_a_failed_reopen_keeps_the_old_file),
        cmocka_unit_test(test_a_full_disk_loses_lines_and_counts_them),
        cmocka_unit_test(test_a_fifo_without_a_reader_never_blocks),
        cmocka_unit_test(test_a_torn_line_is_ended_before_the_next),
        cmocka_unit_test(test_syslog_survives_a_restart_of_its_daemon),
        cmocka_unit_test(test_syslog_headers),
        cmocka_unit_test(test_journald_lines_carry_their_priority),
        cmocka_unit_test(test_no_timestamps_under_the_journal),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
