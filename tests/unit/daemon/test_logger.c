/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_logger.c - the logger thread: all is written, in order; a stuck reader stops only it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "daemon/logger.h"

static char folder[] = "/tmp/culvert-logger-XXXXXX";
static char path[64];
static char access_path[64];
static struct process_config config;
static struct error error;

static struct logger *start(unsigned rings)
{
    struct logger *logger = logger_create(&config, rings, &error);

    assert_non_null(logger);
    log_attach(logger_ring(logger, 0), logger_wake_fd(logger));
    assert_true(logger_start(logger, &error));
    return logger;
}

static void stop(struct logger *logger)
{
    logger_stop(logger, 10000);
    log_attach(NULL, -1);
    logger_destroy(logger);
}

/* How many lines of the file contain `word`. */
static unsigned lines_with(const char *name, const char *word)
{
    static char line[4096];
    FILE *file = fopen(name, "r");
    unsigned found = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL)
        found += strstr(line, word) != NULL;
    fclose(file);
    return found;
}

static void wait_for_lines(const char *name, const char *word, unsigned count)
{
    int64_t deadline_ms = clock_now_ms() + 20000;

    while (lines_with(name, word) < count) {
        assert_true(clock_now_ms() < deadline_ms);
        poll(NULL, 0, 2);
    }
}

static void test_what_was_posted_is_written_at_the_end(void **state)
{
    struct logger *logger = start(1);

    (void)state;
    for (int i = 0; i < 1000; i++)
        log_message(LOG_INFO, "number", "%d", i);
    stop(logger);
    assert_int_equal(lines_with(path, "event=number"), 1000);
    assert_int_equal(lines_with(path, "message=999"), 1);
}

static void test_a_sleeping_logger_is_woken(void **state)
{
    struct logger *logger = start(1);

    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        log_message(LOG_INFO, "wake", "%u", i);
        wait_for_lines(path, "event=wake", i);
    }
    stop(logger);
}

static void *post_many(void *argument)
{
    struct logger *logger = argument;

    log_attach(logger_ring(logger, 1), logger_wake_fd(logger));
    for (int i = 0; i < 5000; i++)
        log_message(LOG_INFO, "other", "%d", i);
    log_attach(NULL, -1);
    return NULL;
}

static void test_two_threads_are_both_heard(void **state)
{
    struct logger *logger = start(2);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, post_many, logger), 0);
    for (int i = 0; i < 5000; i++)
        log_message(LOG_INFO, "own", "%d", i);
    pthread_join(thread, NULL);
    logger_stop(logger, 10000);
    assert_int_equal(lines_with(path, "event=o"), 10000 - logger_dropped(logger));
    stop(logger);
}

/* Within one tick of the clock the control thread, whose ring is the first, comes last. */
static void test_the_control_thread_has_the_last_word(void **state)
{
    struct logger *logger = logger_create(&config, 2, &error);
    int64_t now_us = clock_wall_us();
    FILE *file;
    char line[256];

    (void)state;
    assert_non_null(logger);
    while (clock_wall_us() == now_us)
        ; /* until a tick begins */
    log_attach(logger_ring(logger, 1), logger_wake_fd(logger));
    log_message(LOG_INFO, "session_end", "x");
    log_attach(logger_ring(logger, 0), logger_wake_fd(logger));
    log_message(LOG_INFO, "stopped", "x");
    assert_true(logger_start(logger, &error));
    stop(logger);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_non_null(strstr(line, "event=session_end"));
    assert_non_null(fgets(line, sizeof(line), file));
    assert_non_null(strstr(line, "event=stopped"));
    fclose(file);
}

static void expand_access(const void *payload, size_t size, struct log_line *line)
{
    (void)payload;
    (void)size;
    log_line_begin(line, "session_end");
    log_line_end(line);
}

static void test_access_stream_goes_to_access_output(void **state)
{
    struct logger *logger;

    (void)state;
    config.access_output = access_path;
    config.access_format = LOG_JSON;
    logger = start(1);
    log_post(LOG_INFO, LOG_ACCESS, expand_access, NULL, 0);
    stop(logger);
    config.access_output = NULL;
    config.access_format = -2;
    assert_int_equal(lines_with(access_path, "\"event\":\"session_end\""), 1);
    assert_int_equal(lines_with(path, "session_end"), 0);
}

static void test_reopen_follows_a_rename(void **state)
{
    struct logger *logger = start(1);
    char renamed[80];

    (void)state;
    log_message(LOG_INFO, "before", "x");
    wait_for_lines(path, "event=before", 1);
    snprintf(renamed, sizeof(renamed), "%s.1", path);
    assert_int_equal(rename(path, renamed), 0);
    logger_reopen(logger);
    while (access(path, F_OK) == -1)
        poll(NULL, 0, 2);
    log_message(LOG_INFO, "after", "x");
    stop(logger);
    assert_int_equal(lines_with(path, "event=after"), 1);
    assert_int_equal(lines_with(renamed, "event=before"), 1);
    unlink(renamed);
}

/* RX7: the disk is full; culvert goes on, counts, and says so once when it is over. */
static void test_a_full_disk_is_counted(void **state)
{
    struct logger *logger;

    (void)state;
    config.log_output = "/dev/full";
    logger = start(1);
    for (int i = 0; i < 10; i++)
        log_message(LOG_INFO, "lost", "%d", i);
    logger_stop(logger, 10000);
    assert_int_equal(logger_dropped(logger), 10);
    stop(logger);
    config.log_output = path;
}

/* Reads a little of the pipe; whether what was read so far speaks of drops. */
static bool reads_of_drops(int fd)
{
    static char kept[16384]; /* the last 4 KiB, and what was just read behind them */
    static size_t length;
    ssize_t got;

    if (length > 4096) {
        memmove(kept, kept + length - 4096, 4096);
        length = 4096;
    }
    got = read(fd, kept + length, 4096);
    assert_true(got > 0);
    length += (size_t)got;
    return memmem(kept, length, "event=log_dropped", 17) != NULL;
}

/* The reader is slow and the rings are never empty: drops are told all the same. */
static void test_drops_are_told_while_they_go_on(void **state)
{
    int64_t deadline_ms = clock_now_ms() + 10000;
    struct logger *logger;
    int ends[2];
    int kept = dup(STDERR_FILENO);

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) != -1);
    config.log_output = "stderr";
    config.log_queue = 1024; /* more than a read of ours lets go */
    logger = start(1);
    do {
        uint64_t dropped = logger_dropped(logger);

        assert_true(clock_now_ms() < deadline_ms);
        while (logger_dropped(logger) == dropped)
            log_message(LOG_INFO, "flood", "%0100d", 1);
    } while (!reads_of_drops(ends[0]));
    /* The last lines fail with EPIPE. */
    close(ends[0]);
    stop(logger);
    assert_true(dup2(kept, STDERR_FILENO) != -1);
    close(kept);
    close(ends[1]);
    config.log_output = path;
    config.log_queue = 8192;
}

static unsigned count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* The reader of stderr has stopped: posting never waits, stopping waits for the grace alone. */
static void test_a_stopped_reader_blocks_only_the_logger(void **state)
{
    struct logger *logger;
    int ends[2];
    int64_t start_us;
    int64_t took_us;
    unsigned threads = count_threads();
    int64_t deadline_ms;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) != -1);
    config.log_output = "stderr";
    logger = start(1);
    start_us = clock_now_us();
    for (int i = 0; i < 20000; i++)
        log_message(LOG_INFO, "number", "%d", i);
    logger_stop(logger, 200);
    took_us = clock_now_us() - start_us;
    log_attach(NULL, -1);
    assert_in_range(took_us, 200 * 1000 - 20000, 20 * 1000 * 1000);
    assert_true(logger_dropped(logger) > 0);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    logger_stop(logger, 200);
    logger_destroy(logger); /* leaves it to the stuck thread */
    config.log_output = path;
    /* Its reader goes, the write ends with EPIPE, and the thread ends; what it still has to say
       is no part of this test's output. */
    assert_true(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) != -1);
    close(ends[0]);
    close(ends[1]);
    /* It has left the logger to nobody: that is no leak (a sanitizer's finding at the end). */
    deadline_ms = clock_now_ms() + 20000;
    while (count_threads() > threads) {
        assert_true(clock_now_ms() < deadline_ms);
        poll(NULL, 0, 1);
    }
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(access_path, sizeof(access_path), "%s/access", folder);
    config = (struct process_config){.log_level = LOG_INFO,
                                     .log_format = LOG_LOGFMT,
                                     .log_output = path,
                                     .log_color = -1,
                                     .log_timestamps = -1,
                                     .access_format = -2,
                                     .log_queue = 8192};
    return 0;
}

static int clean_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(access_path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

#define TEST(function) cmocka_unit_test_teardown(function, clean_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_posted_is_written_at_the_end),
        TEST(test_a_sleeping_logger_is_woken),
        TEST(test_two_threads_are_both_heard),
        TEST(test_the_control_thread_has_the_last_word),
        TEST(test_access_stream_goes_to_access_output),
        TEST(test_reopen_follows_a_rename),
        TEST(test_a_full_disk_is_counted),
        TEST(test_drops_are_told_while_they_go_on),
        TEST(test_a_stopped_reader_blocks_only_the_logger),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
