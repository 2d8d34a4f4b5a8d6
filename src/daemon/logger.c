/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logger.c - the thread that empties the rings, oldest record first.
 */
#include "daemon/logger.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "daemon/log_output.h"

/* Longer than any record escaped: six times LOG_PAYLOAD_BYTES and the keys. */
#define LINE_BYTES 8192

/* After work the logger dozes this long before it asks to be woken: under load the threads that
   log need no system call, and it takes their records together. */
#define DOZE_MS 5

/* In a flood that never lets the rings be empty, drops are told and files opened anew after so many
   records. */
#define ROUND_RECORDS 256

/* Drops are told at most this often. */
#define NOTICE_INTERVAL_MS 1000

struct logger {
    struct log_ring **rings;
    unsigned ring_count;
    int wake_fd;
    int done_fd; /* written when the thread ends */
    pthread_t thread;
    bool is_started;
    bool is_stuck; /* the thread did not end in time and owns everything now */
    _Atomic bool must_reopen;
    _Atomic bool must_stop;
    _Atomic uint64_t lost; /* lines that no output took */

    /* The thread's own. */
    struct log_output outputs[2]; /* by enum log_stream, when there are two */
    unsigned output_count;
    uint64_t told_dropped;
    int64_t next_notice_ms;
    char line[LINE_BYTES];
};

static uint64_t dropped_by_rings(const struct logger *logger)
{
    uint64_t dropped = 0;

    for (unsigned i = 0; i < logger->ring_count; i++)
        dropped += log_ring_dropped(logger->rings[i]);
    return dropped;
}

static struct log_output *output_for(struct logger *logger, enum log_stream stream)
{
    return &logger->outputs[stream == LOG_ACCESS && logger->output_count > 1 ? 1 : 0];
}

/* Records of the logger itself do not go through a ring. */

struct notice {
    const char *event;
    const char *detail;
    uint64_t count;
};

static void notice_expand(const void *payload, size_t size, struct log_line *line)
{
    struct notice notice;

    memcpy(&notice, payload, size);
    log_line_begin(line, notice.event);
    if (notice.count > 0)
        log_line_integer(line, "records", (int64_t)notice.count);
    log_line_string(line, "detail", notice.detail, strlen(notice.detail));
    log_line_end(line);
}

static enum log_output_answer write_record(struct logger *logger, struct log_output *output,
                                           const struct log_record *record)
{
    struct text text = text_over(logger->line, sizeof(logger->line));

    log_output_word(output, record, &text);
    return log_output_write(output, text.bytes, text.length, clock_now_ms());
}

static void write_notice(struct logger *logger, struct log_output *output, const char *event,
                         uint64_t count, const char *detail)
{
    struct notice notice = {.event = event, .detail = detail, .count = count};
    struct log_record record = {.wall_us = clock_wall_us(),
                                .expand = notice_expand,
                                .level = LOG_WARN,
                                .stream = LOG_PROCESS,
                                .size = sizeof(notice)};

    if (!log_is_enabled(LOG_WARN))
        return;
    memcpy(record.payload, &notice, sizeof(notice));
    (void)write_record(logger, output, &record);
}

static void count_lost(struct logger *logger)
{
    atomic_fetch_add_explicit(&logger->lost, 1, memory_order_relaxed);
}

/*
 * The oldest record of all rings, so that threads' lines come in order; NULL when there is none.
 * The clock ticks every few milliseconds: of equals, what the control thread (ring 0) says of the
 * workers comes behind what they have said, so that `stopped` is the last line.
 */
static const struct log_record *oldest_record(struct logger *logger, struct log_ring **ring)
{
    const struct log_record *oldest = NULL;

    for (unsigned i = 0; i < logger->ring_count; i++) {
        const struct log_record *record = log_ring_peek(logger->rings[i]);

        if (record != NULL && (oldest == NULL || record->wall_us <= oldest->wall_us)) {
            oldest = record;
            *ring = logger->rings[i];
        }
    }
    return oldest;
}

/* True when there was something to write. */
static bool write_oldest(struct logger *logger)
{
    struct log_ring *ring = NULL;
    const struct log_record *record = oldest_record(logger, &ring);
    struct log_output *output;
    enum log_output_answer answer;

    if (record == NULL)
        return false;
    output = output_for(logger, record->stream);
    answer = write_record(logger, output, record);
    log_ring_pop(ring);
    switch (answer) {
    case LOG_OUTPUT_WRITTEN:
        break;
    case LOG_OUTPUT_RECOVERED:
        write_notice(logger, output, "log_recovered", output->lost, strerror(output->lost_error));
        break;
    case LOG_OUTPUT_LOST:
        count_lost(logger);
        break;
    }
    return true;
}

static void tell_dropped(struct logger *logger)
{
    uint64_t dropped = dropped_by_rings(logger);
    int64_t now_ms = clock_now_ms();

    if (dropped == logger->told_dropped || now_ms < logger->next_notice_ms)
        return;
    write_notice(logger, &logger->outputs[0], "log_dropped", dropped - logger->told_dropped,
                 "the log was written more slowly than it was filled");
    logger->told_dropped = dropped;
    logger->next_notice_ms = now_ms + NOTICE_INTERVAL_MS;
}

static void reopen_outputs(struct logger *logger)
{
    for (unsigned i = 0; i < logger->output_count; i++) {
        if (!log_output_reopen(&logger->outputs[i]))
            write_notice(logger, &logger->outputs[i], "log_reopen_failed", 0, strerror(errno));
    }
}

/* Waits for a wake-up, at most `timeout_ms` (-1: as long as it takes). */
static void wait_for_wake(struct logger *logger, int timeout_ms)
{
    struct pollfd wake = {.fd = logger->wake_fd, .events = POLLIN};
    uint64_t count;

    if (poll(&wake, 1, timeout_ms) == 1 && read(logger->wake_fd, &count, sizeof(count)) == -1)
        return;
}

static bool has_work(struct logger *logger)
{
    struct log_ring *ring;

    return atomic_load(&logger->must_stop) || atomic_load(&logger->must_reopen) ||
           oldest_record(logger, &ring) != NULL;
}

static void sleep_until_woken(struct logger *logger)
{
    /* Drops that were told of too recently must still be told once the flood is over. */
    bool owes_notice = dropped_by_rings(logger) != logger->told_dropped;

    for (unsigned i = 0; i < logger->ring_count; i++)
        log_ring_set_sleeping(logger->rings[i], true);
    if (!has_work(logger))
        wait_for_wake(logger, owes_notice ? NOTICE_INTERVAL_MS : -1);
    for (unsigned i = 0; i < logger->ring_count; i++)
        log_ring_set_sleeping(logger->rings[i], false);
}

static void *logger_main(void *argument)
{
    struct logger *logger = argument;
    const uint64_t one = 1;
    bool is_over = false;

    while (!is_over) {
        bool is_stopping = atomic_load(&logger->must_stop); /* before the last look at the rings */
        unsigned written = 0;

        if (atomic_exchange(&logger->must_reopen, false))
            reopen_outputs(logger);
        while (written < ROUND_RECORDS && write_oldest(logger))
            written++;
        tell_dropped(logger);
        if (written == ROUND_RECORDS)
            continue; /* there may be more */
        if (is_stopping)
            is_over = true;
        else if (written > 0)
            wait_for_wake(logger, DOZE_MS);
        else
            sleep_until_woken(logger);
    }
    return write(logger->done_fd, &one, sizeof(one)) == sizeof(one) ? logger : NULL;
}

static bool open_outputs(struct logger *logger, const struct process_config *config,
                         struct error *error)
{
    struct log_output_options options = {
        .target = config->log_output,
        .format = config->log_format,
        .color = config->log_color,
        .timestamps = config->log_timestamps,
        .syslog_facility = config->syslog_facility,
        .syslog_tag = config->syslog_tag,
    };

    if (!log_output_open(&logger->outputs[0], &options, error))
        return false;
    logger->output_count = 1;
    if (config->access_output == NULL && config->access_format == -2)
        return true;
    if (config->access_output != NULL)
        options.target = config->access_output;
    if (config->access_format != -2)
        options.format = config->access_format;
    if (!log_output_open(&logger->outputs[1], &options, error))
        return false;
    logger->output_count = 2;
    return true;
}

static bool make_rings(struct logger *logger, unsigned count, int records)
{
    logger->rings = calloc(count, sizeof(*logger->rings));
    if (logger->rings == NULL)
        return false;
    while (logger->ring_count < count) {
        struct log_ring *ring = log_ring_create(records > 0 ? (size_t)records : 1);

        if (ring == NULL)
            return false;
        logger->rings[logger->ring_count++] = ring;
    }
    return true;
}

struct logger *logger_create(const struct process_config *config, unsigned ring_count,
                             struct error *error)
{
    struct logger *logger = calloc(1, sizeof(*logger));

    if (logger == NULL) {
        error_set(error, EX_OSERR, "out of memory");
        return NULL;
    }
    logger->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    logger->done_fd = eventfd(0, EFD_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LENGTH(logger->outputs); i++)
        logger->outputs[i].fd = -1;
    if (logger->wake_fd == -1 || logger->done_fd == -1)
        error_set(error, EX_OSERR, "cannot open an eventfd: %s", strerror(errno));
    else if (!make_rings(logger, ring_count, config->log_queue))
        error_set(error, EX_OSERR, "out of memory");
    else if (open_outputs(logger, config, error))
        return logger;
    logger_destroy(logger);
    return NULL;
}

bool logger_start(struct logger *logger, struct error *error)
{
    sigset_t all;
    sigset_t before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&logger->thread, NULL, logger_main, logger);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return error_set(error, EX_OSERR, "cannot start the logger thread: %s", strerror(failed));
    pthread_setname_np(logger->thread, "logger");
    logger->is_started = true;
    return true;
}

bool logger_is_started(const struct logger *logger)
{
    return logger->is_started;
}

struct log_ring *logger_ring(struct logger *logger, unsigned number)
{
    return logger->rings[number];
}

int logger_wake_fd(const struct logger *logger)
{
    return logger->wake_fd;
}

uint64_t logger_dropped(const struct logger *logger)
{
    return dropped_by_rings(logger) + atomic_load_explicit(&logger->lost, memory_order_relaxed);
}

static void wake(struct logger *logger)
{
    const uint64_t one = 1;
    ssize_t written = write(logger->wake_fd, &one, sizeof(one));

    (void)written; /* EAGAIN: it has been woken more than often enough */
}

void logger_reopen(struct logger *logger)
{
    atomic_store(&logger->must_reopen, true);
    wake(logger);
}

void logger_stop(struct logger *logger, int grace_ms)
{
    struct pollfd done = {.fd = logger->done_fd, .events = POLLIN};
    int64_t deadline_us = clock_now_us() + (int64_t)grace_ms * 1000;
    int answer;

    if (!logger->is_started || logger->is_stuck)
        return;
    atomic_store(&logger->must_stop, true);
    wake(logger);
    do {
        int64_t left_us = deadline_us - clock_now_us();

        answer = poll(&done, 1, left_us > 0 ? (int)(left_us / 1000) : 0);
    } while (answer == -1 && errno == EINTR);
    if (answer == 1) {
        pthread_join(logger->thread, NULL);
        logger->is_started = false;
    } else {
        /* It hangs in a write; the process's end frees it. */
        pthread_detach(logger->thread);
        logger->is_stuck = true;
    }
}

/* Its thread may still use it, even if it has got going again: it is freed by the process's end.
   Volatile, so that this write, which nobody reads, is made: who looks for leaks finds it here. */
static struct logger *volatile stuck_logger;

void logger_destroy(struct logger *logger)
{
    if (logger == NULL)
        return;
    if (logger->is_stuck) {
        stuck_logger = logger;
        return;
    }
    for (unsigned i = 0; i < logger->ring_count; i++)
        log_ring_destroy(logger->rings[i]);
    free(logger->rings);
    for (size_t i = 0; i < ARRAY_LENGTH(logger->outputs); i++)
        log_output_close(&logger->outputs[i]);
    if (logger->wake_fd != -1)
        close(logger->wake_fd);
    if (logger->done_fd != -1)
        close(logger->done_fd);
    free(logger);
}
